"""Makes the video that tests publish: every frame carries its number in black and white blocks, and a
beep sounds at each whole second, so an outside viewer can count frames and measure sync.

Also reads both back from what was decoded. Independent of the product's own test card on purpose.
"""

from __future__ import annotations

import array
import math
import random
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av

from tests.e2e import marks

BITS = 16
BEEP_S = 0.1
BEEP_HZ = 1000


@dataclass(frozen=True)
class Source:
    """What to make. `video` and `audio` are FFmpeg encoder names; None leaves the track out."""

    seconds: int = 10
    width: int = 1280
    height: int = 720
    fps: Fraction = Fraction(30)
    video: str | None = "libx264"
    b_frames: int = 0
    audio: str | None = "aac"
    rate: int = 48_000
    channels: int = 2
    keyframe_s: int = 2
    bit_rate: int = 3_000_000
    first: int = 0
    """The number in the first picture, to tell one source from another."""
    marks: bool = False
    """Countable tones (`marks.py`) instead of a beep at each whole second."""
    noisy: bool = False
    """Fill the picture with noise, so that the encoder really spends the bits."""

    @property
    def frames(self) -> int:
        return int(self.seconds * self.fps)


def make_source(path: Path, source: Source) -> Path:
    """Write the file; its suffix chooses the container."""
    with av.open(str(path), "w") as container:
        video = _video_stream(container, source) if source.video else None
        audio = _audio_stream(container, source) if source.audio else None
        samples_done = 0
        for number in range(source.frames):
            if video is not None:
                container.mux(video.encode(_picture(source, number)))
            if audio is not None:
                until = int((number + 1) * source.rate / source.fps)
                while samples_done < until:
                    container.mux(audio.encode(_sound(source, samples_done)))
                    samples_done += 1024
        for stream in (video, audio):
            if stream is not None:
                container.mux(stream.encode(None))
    return path


def _video_stream(container: av.container.OutputContainer, source: Source) -> av.VideoStream:
    assert source.video is not None
    stream = container.add_stream(source.video, rate=source.fps)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = source.width, source.height, "yuv420p"
    stream.codec_context.gop_size = int(source.keyframe_s * source.fps)
    stream.codec_context.bit_rate = source.bit_rate
    if source.video == "libx265":
        stream.options = {"preset": "ultrafast", "x265-params": f"bframes={source.b_frames}:log-level=none"}
    else:
        stream.options = {"preset": "ultrafast", "bf": str(source.b_frames), "sc_threshold": "0"}
    return stream


def _audio_stream(container: av.container.OutputContainer, source: Source) -> av.AudioStream:
    assert source.audio is not None
    layout = "mono" if source.channels == 1 else "stereo"
    stream = container.add_stream(source.audio, rate=source.rate, layout=layout)
    assert isinstance(stream, av.AudioStream)
    stream.codec_context.bit_rate = 96_000
    return stream


def _picture(source: Source, number: int) -> av.VideoFrame:
    """The number in the upper third, most significant bit left; below it a ramp that moves."""
    width, height = source.width, source.height
    frame = av.VideoFrame(width, height, "yuv420p")
    block = width // BITS
    drawn = source.first + number
    bits = b"".join((b"\xeb" if drawn >> (BITS - 1 - i) & 1 else b"\x10") * block for i in range(BITS))
    bits = bits.ljust(width, b"\x10")
    rows = height // 3
    if source.noisy:
        filling = random.Random(number).randbytes(width)
    else:
        filling = bytes(16 + (i + number * 4) % 220 for i in range(width))
    luma, stride = frame.planes[0], frame.planes[0].line_size
    luma.update(bits.ljust(stride, b"\0") * rows + filling.ljust(stride, b"\0") * (height - rows))
    for plane in frame.planes[1:]:
        plane.update(b"\x80" * plane.buffer_size)
    frame.pts = number
    frame.time_base = 1 / source.fps
    return frame


def _sound(source: Source, first: int) -> av.AudioFrame:
    values = array.array("f")
    for sample in range(first, first + 1024):
        if source.marks:
            values.append(marks.sample(sample, source.rate))
            continue
        loud = sample % source.rate < BEEP_S * source.rate
        values.append(0.5 * math.sin(2 * math.pi * BEEP_HZ * sample / source.rate) if loud else 0.0)
    frame = av.AudioFrame("fltp", "mono" if source.channels == 1 else "stereo", 1024)
    for plane in frame.planes:
        plane.update(values.tobytes())
    frame.sample_rate = source.rate
    frame.pts = first
    frame.time_base = Fraction(1, source.rate)
    return frame


def read_number(frame: av.VideoFrame) -> int:
    """The number drawn into this frame, at whatever size it was scaled to."""
    luma = frame.planes[0] if frame.format.name.startswith("yuv") else frame.reformat(format="yuv420p").planes[0]
    data = bytes(luma)
    row = (frame.height // 6) * luma.line_size
    number = 0
    for i in range(BITS):
        value = data[row + int((i + 0.5) * frame.width / BITS)]
        number = number << 1 | (value > 128)
    return number


def beep_times_s(container: av.container.InputContainer) -> list[float]:
    """When each beep begins, on the timeline: the first sample above a tenth of full scale after silence."""
    times: list[float] = []
    quiet_since = -math.inf
    for frame in container.decode(audio=0):
        assert frame.pts is not None
        assert frame.time_base is not None
        samples = array.array("f")
        samples.frombytes(bytes(frame.planes[0])[: frame.samples * 4])
        start = float(frame.pts * frame.time_base)
        for i, value in enumerate(samples):
            if abs(value) > 0.1:
                at = start + i / frame.sample_rate
                if at - quiet_since > 0.2:
                    times.append(at)
                quiet_since = at
    return times


def gaps(numbers: list[int]) -> list[tuple[int, int]]:
    """Neighbours that are not one apart."""
    return [(a, b) for a, b in pairwise(numbers) if b != a + 1]

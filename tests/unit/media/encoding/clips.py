"""Small clips for the pipeline's tests, and what came of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from itertools import count, product
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import av

from app.domain.ladder import AudioPlan, FrameRate, Ladder, Rendition
from app.domain.stream import EncodeSettings
from app.media.encoding.conduit import Closed
from app.media.encoding.files import read_source
from app.media.encoding.meter import MeterReading
from app.media.encoding.packets import (
    AudioConfig,
    AudioHeader,
    AudioPacket,
    SourceItem,
    TrackPacket,
    VideoConfig,
    VideoHeader,
    VideoPacket,
)
from app.media.encoding.pipeline import Pipeline
from tests.e2e.source import Source, make_source, read_number

BIG = Rendition("big", 320, 180, FrameRate(30), 400_000)
SMALL = Rendition("small", 256, 144, FrameRate(30), 200_000)


def small(**changes: object) -> Source:
    """A clip of 3 s with a number in every frame."""
    given: dict[str, object] = {"seconds": 3, "width": 320, "height": 180} | changes
    return Source(**given)  # type: ignore[arg-type]  # names and types are those of Source


@cache
def clip(source: Source, suffix: str = ".mkv") -> tuple[SourceItem, ...]:
    with TemporaryDirectory() as folder:
        return tuple(read_source(make_source(Path(folder) / f"clip{suffix}", source)))


def settings(*renditions: Rendition, interval_ms: int = 1_000, audio: AudioPlan | None = None) -> EncodeSettings:
    return EncodeSettings(
        Ladder(renditions or (BIG, SMALL), audio or AudioPlan()),
        keyframe_interval_ms=interval_ms,
        preset="ultrafast",
    )


@dataclass
class Programme:
    """Everything a pipeline gave, by track."""

    videos: dict[str, list[VideoHeader]] = field(default_factory=dict)
    audio: list[AudioHeader] = field(default_factory=list)
    packets: dict[str, list[TrackPacket]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    meter: MeterReading | None = None

    def times(self, track: str) -> list[int]:
        return [packet.pts_ms for packet in self.packets.get(track, [])]

    def keys(self, track: str) -> list[int]:
        return [packet.pts_ms for packet in self.packets.get(track, []) if packet.is_key]

    def frames(self, track: str) -> list[av.VideoFrame]:
        """The track decoded by a fresh decoder, as a player would from its beginning."""
        header = self.videos[track][0]
        context = av.CodecContext.create(header.codec, "r")
        context.extradata = header.extradata
        frames: list[av.VideoFrame] = []
        for packet in self.packets[track]:
            coded = av.Packet(packet.data)
            coded.pts, coded.time_base = packet.pts_ms, Fraction(1, 1000)
            frames += context.decode(coded)
        return frames + context.decode(None)

    def numbers(self, track: str) -> list[int]:
        return [read_number(frame) for frame in self.frames(track)]


def run(
    items: Iterable[SourceItem],
    plan: EncodeSettings | None = None,
    *,
    start_after: Mapping[str, int | None] | None = None,
) -> Programme:
    """Everything through a pipeline; raises what it failed with."""
    programme = Programme()
    pipeline = Pipeline(plan or settings(), start_after=start_after, on_problem=programme.problems.append)

    def feed() -> None:
        for item in items:
            pipeline.put(item)
        pipeline.finish()

    return collect(pipeline, feed, programme)


def collect(
    pipeline: Pipeline,
    feed: Callable[[], None],
    programme: Programme,
    watch: Callable[[TrackPacket], None] = lambda packet: None,
) -> Programme:
    """All that comes out while `feed` runs; raises what the pipeline failed with. `watch` hears of each packet."""

    def feed_until_closed() -> None:
        with suppress(Closed):
            feed()

    feeder = Thread(target=feed_until_closed)
    feeder.start()
    try:
        while (out := pipeline.outbox.get()) is not None:
            match out:
                case VideoHeader():
                    programme.videos.setdefault(out.track, []).append(out)
                case AudioHeader():
                    programme.audio.append(out)
                case TrackPacket():
                    programme.packets.setdefault(out.track, []).append(out)
                    watch(out)
    except Closed:
        pass
    feeder.join()
    pipeline.join()
    programme.meter = pipeline.meter.read(0.0)
    if pipeline.failure is not None:
        raise pipeline.failure
    return programme


def video_of(items: Iterable[SourceItem]) -> list[VideoPacket]:
    return [item for item in items if isinstance(item, VideoPacket)]


def audio_of(items: Iterable[SourceItem]) -> list[AudioPacket]:
    return [item for item in items if isinstance(item, AudioPacket)]


def from_key_at_or_before(items: Iterable[SourceItem], time_ms: int) -> list[SourceItem]:
    """What a replay after a failover brings: headers, then from the last key frame shown by then."""
    kept = list(items)
    starts = [n for n, i in enumerate(kept) if isinstance(i, VideoPacket) and i.is_key and i.pts_ms <= time_ms]
    headers = [item for item in kept if isinstance(item, VideoConfig | AudioConfig)]
    return headers + [item for item in kept[starts[-1] :] if not isinstance(item, VideoConfig | AudioConfig)]


def until_ms(items: Sequence[SourceItem], end_ms: int) -> int:
    """How many of the items have come by then."""
    times = [item.dts_ms if isinstance(item, VideoPacket) else getattr(item, "pts_ms", 0) for item in items]
    return next(place for place, time in enumerate(times) if time > end_ms)


def shifted(items: Iterable[SourceItem], by_ms: int) -> list[SourceItem]:
    out: list[SourceItem] = []
    for item in items:
        match item:
            case VideoPacket():
                out.append(VideoPacket(item.dts_ms + by_ms, item.pts_ms + by_ms, item.data, item.is_key))
            case AudioPacket():
                out.append(AudioPacket(item.pts_ms + by_ms, item.data))
            case _:
                out.append(item)
    return out


def encode_clip(encoder: str, options: dict[str, str], *, frames: int = 30) -> list[SourceItem]:
    """A video-only clip by any encoder of the build, its number drawn as in the other clips."""
    with TemporaryDirectory() as folder:
        plain = make_source(Path(folder) / "plain.mkv", small(seconds=1, audio=None))
        path = Path(folder) / "clip.mkv"
        with av.open(str(plain)) as source, av.open(str(path), "w") as container:
            stream = container.add_stream(encoder, rate=30, options=options)
            stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
            for number, frame in zip(count(), source.decode(video=0), strict=False):
                if number == frames:
                    break
                frame.pict_type = 0
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return list(read_source(path))


def without_reorder_bound(config: VideoConfig) -> VideoConfig:
    """The same avcC without `bitstream_restriction` (H.264 annex E), as some hardware encoders write it.

    libx264 puts that block last in its parameter set, so its end is known but for four numbers.
    """
    record = config.extradata
    length = int.from_bytes(record[6:8], "big")
    sps = record[8 : 8 + length].replace(b"\x00\x00\x03", b"\x00\x00")
    bits = "".join(f"{byte:08b}" for byte in sps).rstrip("0")
    for numbers in product(range(17), range(17), range(5), range(17)):
        ending = "1111" + "".join(_exp_golomb(number) for number in numbers) + "1"
        if bits.endswith(ending):
            break
    else:
        raise AssertionError("libx264 writes its parameter sets differently now")
    bits = bits.removesuffix(ending) + "01"
    bits += "0" * (-len(bits) % 8)
    plain = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    escaped = re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", plain)
    return VideoConfig("h264", record[:6] + len(escaped).to_bytes(2, "big") + escaped + record[8 + length :])


def _exp_golomb(number: int) -> str:
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits


def headless(whole: Path) -> Path:
    """An HEVC transport stream whose picture parameter sets have become units of a reserved kind."""
    path = whole.with_name("headless.ts")
    path.write_bytes(whole.read_bytes().replace(b"\0\0\1\x44\1", b"\0\0\1\x52\1"))
    return path

"""The audio track: AAC passed through as it came, anything else decoded and encoded to AAC-LC.

AAC made here is cut on a grid of 1024 samples counted from the timeline's zero, so another encoder that takes
over cuts alike; the encoder's delay is taken out by its own packet times. Leaves to others: the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.codec.context import Flags

from app.domain.ladder import AUDIO_TRACK, AudioMode, AudioPlan
from app.media.encoding.decoder import AudioDecoder
from app.media.encoding.packets import AudioConfig, AudioHeader, AudioPacket, ProgrammeItem, TrackPacket
from app.media.encoding.silence import Silence

FRAME_SAMPLES: Final = 1024
_RATES: Final = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000)
_MAX_DRIFT_MS: Final = 60
"""Timestamps of the source further off than this from its samples are a gap, not rounding."""


class Sound:
    """`take` gives what goes out for what came in. Nothing at or before `start_after_ms` goes out."""

    def __init__(self, plan: AudioPlan, start_after_ms: int | None = None) -> None:
        self._plan = plan
        self._last_ms = start_after_ms
        self._recoder: _Recoder | None = None
        self._passing = False
        self._config: AudioConfig | None = None
        self._header: AudioHeader | None = None
        self._silence: Silence | None = None
        self._silent_ms: Fraction | None = None
        self.broken = 0

    def take(self, item: AudioConfig | AudioPacket) -> list[ProgrammeItem]:
        """Raises InvalidRequest for a codec that can't be decoded."""
        if self._plan.mode is AudioMode.OFF:
            return []
        out = self._configure(item) if isinstance(item, AudioConfig) else self._packet(item)
        return self._onward(out)

    def drain(self) -> list[ProgrammeItem]:
        drained = list(self._recoder.drain()) if self._recoder is not None else []
        self._recoder = None
        return self._onward(drained)

    def pause(self) -> list[ProgrammeItem]:
        """No packets for a while: what is inside comes out."""
        out = self.drain()
        if self._config is not None and not self._passing:
            self._recoder = _Recoder(self._config, self._plan.audio_bps)
        self._silent_ms = None
        return out

    def silence(self, from_ms: int, until_ms: int) -> list[ProgrammeItem]:
        """Silent packets of this time, in a row since the pause; none for a track that has not begun."""
        silence = self._silence
        if silence is None or self._last_ms is None:
            return []
        if self._silent_ms is None:
            self._silent_ms = max(self._last_ms + silence.duration_ms, Fraction(from_ms))
        out: list[ProgrammeItem] = []
        while round(self._silent_ms) <= until_ms:
            out.append(TrackPacket(AUDIO_TRACK, round(self._silent_ms), silence.frame, True))
            self._silent_ms += silence.duration_ms
        return self._onward(out)

    def _configure(self, config: AudioConfig) -> list[ProgrammeItem]:
        if config == self._config:
            return []  # said again: what runs goes on
        self._config = config
        out: list[ProgrammeItem] = self.drain()
        self._passing = config.codec == "aac" and self._plan.mode is AudioMode.AUTO
        if self._passing:
            return [*out, AudioHeader(AUDIO_TRACK, config.extradata)]
        self._recoder = _Recoder(config, self._plan.audio_bps)
        return out

    def _packet(self, packet: AudioPacket) -> list[ProgrammeItem]:
        if self._passing:
            return [TrackPacket(AUDIO_TRACK, packet.pts_ms, packet.data, True)]
        if self._recoder is None:
            self.broken += 1
            return []
        before = self._recoder.broken
        out = list(self._recoder.take(packet))
        self.broken += self._recoder.broken - before
        return out

    def _onward(self, entries: list[ProgrammeItem]) -> list[ProgrammeItem]:
        """Without packets of a time that has been sent: the splice, or an encoder begun anew."""
        onward: list[ProgrammeItem] = []
        for entry in entries:
            if isinstance(entry, TrackPacket):
                if self._last_ms is not None and entry.pts_ms <= self._last_ms:
                    continue
                self._last_ms = entry.pts_ms
            elif isinstance(entry, AudioHeader):
                if entry == self._header:
                    continue
                self._header, self._silence = entry, Silence.of(entry.extradata)
            onward.append(entry)
        return onward


class _Recoder:
    """Decodes, resamples and encodes one audio source, from its header to the next one."""

    def __init__(self, config: AudioConfig, audio_bps: int) -> None:
        self._decoder = AudioDecoder(config)
        self._audio_bps = audio_bps
        self._line: _Line | None = None

    @property
    def broken(self) -> int:
        return self._decoder.broken

    def take(self, packet: AudioPacket) -> Iterator[ProgrammeItem]:
        for frame in self._decoder.decode(packet):
            if self._line is None:
                self._line = _Line(frame, self._audio_bps)
                yield self._line.header
            yield from self._line.take(frame, packet.pts_ms)

    def drain(self) -> Iterator[ProgrammeItem]:
        if self._line is not None:
            yield from self._line.drain()


class _Line:
    """Resampler, sample grid and AAC encoder, opened for the first decoded frame."""

    def __init__(self, first: AudioFrame, audio_bps: int) -> None:
        self._rate = first.sample_rate if first.sample_rate in _RATES else _RATES[0]
        self._layout = layout = "mono" if first.layout.nb_channels == 1 else "stereo"
        self._resampler = self._open_resampler()
        self._form = _form(first)
        self._fifo = AudioFifo()
        self._context = self._open_encoder(layout, audio_bps)
        self._next_sample: int | None = None
        self._lead = 0
        self.header = AudioHeader(
            AUDIO_TRACK,
            self._context.extradata or b"",
            sample_rate=self._rate,
            channels=first.layout.nb_channels if layout == "mono" else 2,
            audio_bps=audio_bps,
        )

    def _open_resampler(self) -> AudioResampler:
        return AudioResampler(format="fltp", layout=self._layout, rate=self._rate)

    def _open_encoder(self, layout: str, audio_bps: int) -> AudioCodecContext:
        context = av.CodecContext.create("aac", "w")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate = self._rate
        context.layout = layout
        context.format = "fltp"
        context.bit_rate = audio_bps
        context.time_base = Fraction(1, self._rate)
        context.flags |= Flags.global_header
        context.open()
        return context

    def take(self, frame: AudioFrame, pts_ms: int) -> Iterator[TrackPacket]:
        self._anchor(pts_ms)
        if _form(frame) != self._form:
            # The source changed in mid-stream, or a torn frame says so: what goes out stays as it is.
            self._resampler, self._form = self._open_resampler(), _form(frame)
        frame.pts = None
        for part in self._resampler.resample(frame):
            part.pts = None
            self._fifo.write(part)
        yield from self._encode_whole()

    def _anchor(self, pts_ms: int) -> None:
        """Start counting at this timestamp, on the grid; after a gap in the source start anew."""
        at = pts_ms * self._rate // 1000
        if self._next_sample is not None:
            expected = self._next_sample + self._fifo.samples
            if abs(at - expected) * 1000 <= _MAX_DRIFT_MS * self._rate:
                return
            at = max(at, expected)
            self._fifo = AudioFifo()
        grid = -(-at // FRAME_SAMPLES) * FRAME_SAMPLES
        self._lead = grid - at
        self._next_sample = grid

    def _encode_whole(self) -> Iterator[TrackPacket]:
        if self._lead:
            if self._fifo.samples < self._lead:
                return
            self._fifo.read(self._lead)
            self._lead = 0
        while self._fifo.samples >= FRAME_SAMPLES:
            frame = self._fifo.read(FRAME_SAMPLES)
            assert frame is not None
            assert self._next_sample is not None
            frame.pts, frame.time_base = self._next_sample, Fraction(1, self._rate)
            self._next_sample += FRAME_SAMPLES
            yield from self._packets(self._context.encode(frame))

    def drain(self) -> Iterator[TrackPacket]:
        yield from self._packets(self._context.encode(None))

    def _packets(self, coded: list[av.Packet[Any]]) -> Iterator[TrackPacket]:
        for packet in coded:
            if packet.pts is not None and packet.pts >= 0:
                pts_ms = (packet.pts * 1000 + self._rate // 2) // self._rate
                yield TrackPacket(AUDIO_TRACK, pts_ms, bytes(packet), True)


def _form(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate

"""What a HELO sends when it streams: size, rate, bit rates, and what is to be seen, all from its parameters. Pure.

Leaves to others: drawing (`scene`) and sending (`output`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from app.domain.ladder import FrameRate
from app.domain.secret import Secret
from app.simulators.helo.memory import Memory
from app.simulators.helo.states import TEST_PATTERN
from app.simulators.helo.world import Show, World

AUDIO_BPS: Final = (32_000, 64_000, 96_000, 128_000, 192_000, 256_000)
_FORMAT: Final = re.compile(r"(\d+)x(\d+)(?:i|p|PsF) ([\d.]+)")
_PATTERN: Final = re.compile(r"(\d+)(?:i|p) ([\d.]+)")
_PATTERN_WIDTHS: Final = {525: (720, 486), 625: (720, 576), 720: (1280, 720), 1080: (1920, 1080)}
_BLACK: Final = 3
"""`VideoSG`."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be seen and heard now."""

    show: Show = Show.CARD
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """`url`: the server part. Sizes in pixels, rates in bit/s."""

    url: str
    key: Secret
    width: int
    height: int
    rate: FrameRate
    video_bps: int
    audio_bps: int
    keyframe_interval_ms: int


@dataclass(frozen=True, slots=True)
class Raster:
    width: int
    height: int
    rate: FrameRate


def input_format(memory: Memory, world: World) -> int:
    """The code of what is on the selected input; 0 with none, and for the internal pattern."""
    selected = memory.number("VideoInSelect")
    return {0: world.sdi_format, 1: world.hdmi_format, 3: world.sdi_format}.get(selected, 0)


def has_picture(memory: Memory, world: World) -> bool:
    return memory.number("VideoInSelect") == TEST_PATTERN or input_format(memory, world) > 1


def raster(memory: Memory, world: World) -> Raster:
    """Of the input, or of the internal pattern when there is none."""
    names = memory.catalogue["DetectInputFormat"].texts
    found = _FORMAT.fullmatch(names.get(input_format(memory, world), ""))
    if found is not None:
        return Raster(min(1920, int(found[1])), int(found[2]), FrameRate.of(float(found[3])))
    names = memory.catalogue["VideoSGFormat"].texts
    found = _PATTERN.fullmatch(names.get(memory.number("VideoSGFormat"), ""))
    assert found is not None, "every pattern has a format"
    return Raster(*_PATTERN_WIDTHS[int(found[1])], FrameRate.of(float(found[2])))


def look(memory: Memory, world: World) -> Look:
    is_muted = memory.get("AVMute") == "1"
    source = memory.number("VideoInSelect")
    if is_muted or source == TEST_PATTERN or not has_picture(memory, world):
        show = Show.BLACK if memory.number("VideoSG") == _BLACK else Show.BARS
        return Look(show, is_silent=True)
    return Look(world.show, is_silent=not has_sound(memory, world))


def has_sound(memory: Memory, world: World) -> bool:
    """Sound of SDI or HDMI comes with the picture of the same input only."""
    chosen, source = memory.number("AudioInSelect"), memory.number("VideoInSelect")
    return world.has_sound and (chosen == 2 or chosen == source)


def encoded(memory: Memory, world: World, section: str) -> Raster:
    """Size and rate of the selected profile; `section` is Streaming or Recording."""
    base = raster(memory, world)
    divisor = (1, 2, 4)[memory.number(f"{section}FrameRate")]
    rate = FrameRate(base.rate.num, base.rate.den * divisor)
    if memory.number(f"{section}FrameGeometryType") == 0:
        return Raster(base.width, base.height, rate)
    width, height = memory.number(f"{section}Width"), memory.number(f"{section}Height")
    return Raster(width // 2 * 2, height // 2 * 2, rate)


def video_bps(memory: Memory, world: World, section: str) -> int:
    asked = memory.number(f"{section}VideoBitrate")
    return (asked if world.most_kbps is None else min(asked, world.most_kbps)) * 1000


def output_plan(memory: Memory, world: World, limit: tuple[int, int] | None) -> OutputPlan:
    """`limit`: at most this wide and high, whatever the profile says: for machines that encode slowly."""
    picture = encoded(memory, world, "Streaming")
    width, height = picture.width, picture.height
    if limit is not None and (width > limit[0] or height > limit[1]):
        width, height = limit
    return OutputPlan(
        url=memory.get("RTMPServerURL"),
        key=Secret(memory.get("RTMPStreamName")),
        width=width,
        height=height,
        rate=picture.rate,
        video_bps=video_bps(memory, world, "Streaming"),
        audio_bps=AUDIO_BPS[memory.number("StreamingAudioBitrate")],
        keyframe_interval_ms=max(1, round(memory.number("StreamingGOPSize") * 1000 / picture.rate.fps)),
    )


def words(memory: Memory, world: World, section: str) -> str:
    """The telemetry line that people read: what is configured, not what is measured."""
    picture = encoded(memory, world, section)
    audio = AUDIO_BPS[memory.number(f"{section}AudioBitrate")] // 1000
    video = video_bps(memory, world, section) // 1000
    return f"{picture.width}x{picture.height} {picture.rate.fps:g} {video} kbps, {audio} kbps"

"""Between what the manager wants streamed and a HELO's settings of its selected streaming profile. Pure.

The device knows no frame rate: it streams all, half or a quarter of its input's pictures, and counts the distance
of key frames in pictures. So both depend on the input that is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.adapters.encoders.helo import parameters as p
from app.adapters.encoders.helo.reading import Values
from app.adapters.encoders.helo.wire import number
from app.domain.device import DeviceProfile
from app.domain.errors import DeviceError
from app.domain.secret import Secret

URL, KEY = "RTMPServerURL", "RTMPStreamName"
KIND, GEOMETRY, RATE = "StreamType", "StreamingFrameGeometryType", "StreamingFrameRate"
WIDTH, HEIGHT, GOP = "StreamingWidth", "StreamingHeight", "StreamingGOPSize"
VIDEO, AUDIO = "StreamingVideoBitrate", "StreamingAudioBitrate"
SETTINGS: Final = (
    KIND, URL, KEY, GEOMETRY, WIDTH, HEIGHT, RATE, VIDEO, AUDIO, GOP,
)  # fmt: skip
"""What is read to know a profile."""

_RTMP, _BY_HAND, _NO_B_FRAMES = "0", "1", "1"
_AUDIO_KBPS: Final = (32, 64, 96, 128, 192, 256)
_SHARES: Final = (1, 2, 4)
"""Of the input's pictures, by StreamingFrameRate: one in so many is streamed."""
_USUAL_FPS: Final = 30.0
_SAME_FPS: Final = 0.05
_LONGEST_GOP: Final = 1_000


def writes(profile: DeviceProfile, code: int | None) -> Mapping[str, str]:
    """What to write, in order. `code`: of the input now. Raises DeviceError for a rate that it can't make of it.

    While the input is not known, all its pictures are streamed and key frames are counted at the wanted rate.
    """
    raster = p.raster(code)
    share = 0 if raster is None else _share(profile.fps, raster[2])
    fps = (profile.fps or _USUAL_FPS) if raster is None else raster[2] / _SHARES[share]
    gop = round(fps * profile.keyframe_interval_ms / 1000)
    return {
        KIND: _RTMP,
        URL: profile.rtmp_url,
        KEY: profile.stream_key.reveal(),
        GEOMETRY: _BY_HAND,
        WIDTH: str(profile.width),
        HEIGHT: str(profile.height),
        RATE: str(share),
        VIDEO: str(round(profile.video_bps / 1000)),
        AUDIO: str(_audio(profile.audio_bps)),
        GOP: str(max(1, min(_LONGEST_GOP, gop))),
        # A switch to another device is exact only where pictures come in the order they are shown.
        "StreamingPInterval": _NO_B_FRAMES,
    }


def standing(profile: DeviceProfile, code: int | None) -> Mapping[str, str]:
    """As `writes`, without what was made for an input that is away: it is right again when that is back."""
    wanted = writes(profile, code)
    if code is None or p.raster(code) is not None:
        return wanted
    return {setting: value for setting, value in wanted.items() if setting not in (RATE, GOP)}


def differing(wanted: Mapping[str, str], held: Values) -> tuple[str, ...]:
    """Settings that are not as wanted, by name. Numbers are compared as numbers."""
    return tuple(i for i, value in wanted.items() if not _is_same(i, value, held.get(i)))


def read_profile(held: Values, code: int | None) -> DeviceProfile | None:
    """None: it can't stream RTMP as it is set, or its size depends on an input (`code`) that is not there."""
    raster = p.raster(code)
    is_by_hand = held.get(GEOMETRY) == _BY_HAND
    width = number(held.get(WIDTH)) if is_by_hand else raster and raster[0]
    height = number(held.get(HEIGHT)) if is_by_hand else raster and raster[1]
    video, audio, share = number(held.get(VIDEO)), number(held.get(AUDIO)), number(held.get(RATE))
    if held.get(KIND) != _RTMP or not held.get(URL) or not held.get(KEY) or not width or not height or not video:
        return None
    if audio is None or not 0 <= audio < len(_AUDIO_KBPS) or share is None or not 0 <= share < len(_SHARES):
        return None
    fps = None if raster is None else raster[2] / _SHARES[share]
    gop = number(held.get(GOP)) or 1
    return DeviceProfile(
        rtmp_url=held[URL],
        stream_key=Secret(held[KEY]),
        width=width,
        height=height,
        video_bps=video * 1000,
        audio_bps=_AUDIO_KBPS[audio] * 1000,
        fps=fps,
        keyframe_interval_ms=round(gop * 1000 / (fps or _USUAL_FPS)),
    )


def _share(wanted_fps: float | None, input_fps: float) -> int:
    if wanted_fps is None:
        return 0
    for index, share in enumerate(_SHARES):
        # 29.97 is asked for as 30 by many, and 30 as 29.97.
        if abs(wanted_fps - input_fps / share) <= _SAME_FPS * share or round(wanted_fps) == round(
            input_fps / share
        ):
            return index
    offers = ", ".join(f"{input_fps / share:g}" for share in _SHARES)
    raise DeviceError(
        f"its input has {input_fps:g} pictures per second: it can stream {offers}, not {wanted_fps:g}",
        hint="Ask for one of these rates, or change the source's.",
    )


def _audio(bps: int) -> int:
    """The highest step that is not above, or else the lowest."""
    return max((i for i, kbps in enumerate(_AUDIO_KBPS) if kbps * 1000 <= bps), default=0)


def _is_same(setting: str, wanted: str, held: str | None) -> bool:
    if setting in (URL, KEY) or held is None:
        return wanted == held
    return number(wanted) == number(held)

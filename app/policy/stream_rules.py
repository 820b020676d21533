"""What a stream may ask for, what is doubtful, what would be better. Words for people, all faults at once.

Decides on the request alone; whether an encoder has room is the balancer's verdict, whether a destination's address
may be reached is the gateway's. URLs never enter the words: they hold keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from app.domain.ladder import AudioPlan, FrameRate, Ladder, Rendition
from app.domain.session import Advice, StreamRequest
from app.domain.stream import StreamMode
from app.policy.default_ladder import FRAME_RATES, default_ladder, frame_rate, recommended_bps

MIN_BPS: Final = 1_000_000
MAX_BPS: Final = 20_000_000
MIN_RENDITION_BPS: Final = 100_000
MAX_SHORT_SIDE: Final = 1080
MAX_LONG_SIDE: Final = 2560
"""Room for 21:9; 1080p is 1920."""
MIN_SIDE: Final = 64
MAX_PASSED_WIDTH: Final = 8192
MAX_RENDITIONS: Final = 6
MAX_DESTINATIONS: Final = 16
MAX_URL_CHARS: Final = 1_024
"""FFmpeg's limit for an RTMP address."""
KEYFRAME_MS: Final = (500, 10_000)
MAX_SEGMENT_MS: Final = 20_000
RECONNECT_S: Final = (0, 600)
KEY_LIFETIME_S: Final = (60, 31 * 24 * 3600)
MAX_NAME_CHARS: Final = 200
STANDARD_SIZES: Final = frozenset({(1920, 1080), (1280, 720), (854, 480), (852, 480), (640, 480), (640, 360)})
PRESETS: Final = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,128}")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_CODEC: Final = re.compile(r"[a-z0-9_]{1,32}")
_DESTINATION: Final = re.compile(r"rtmps?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?/[^\s\x00-\x1f]+")


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """`ladder` is what the stream gets; None when it is refused."""

    advice: Advice
    ladder: Ladder | None


def key_is_well_formed(key: str) -> bool:
    """The RTMP key's form: unreserved characters only, so that no client, URL or log needs to escape it."""
    return _KEY.fullmatch(key) is not None


def judge(request: StreamRequest) -> RuleVerdict:
    errors = tuple(_errors(request))
    if errors:
        return RuleVerdict(Advice(errors=errors), None)
    advice = Advice((), tuple(_warnings(request)), tuple(_recommendations(request)))
    return RuleVerdict(advice, ladder_of(request))


def ladder_of(request: StreamRequest) -> Ladder:
    """The renditions of a request without errors."""
    audio = AudioPlan(mode=request.audio)
    if request.mode is StreamMode.PASSTHROUGH:
        return Ladder((), audio)
    if request.renditions is not None:
        ordered = sorted(request.renditions, key=lambda r: (r.width * r.height, r.video_bps), reverse=True)
        return Ladder(tuple(ordered), audio)
    rate = frame_rate(request.fps) or FrameRate(30)
    rungs = default_ladder(width=request.width, height=request.height, rate=rate, video_bps=request.bitrate_bps)
    return Ladder(rungs, audio)


def _errors(request: StreamRequest) -> Iterator[str]:
    yield from _size_errors(request)
    if not MIN_BPS <= request.bitrate_bps <= MAX_BPS:
        yield f"bitrate: {request.bitrate_bps} bit/s is outside {MIN_BPS} to {MAX_BPS}"
    if request.mode is StreamMode.TRANSCODE and frame_rate(request.fps) is None:
        known = ", ".join(f"{rate.fps:.5g}" for rate in FRAME_RATES)
        yield f"fps: {request.fps:g} is none of {known}"
    yield from _time_errors(request)
    if request.name is not None and (len(request.name) > MAX_NAME_CHARS or not request.name.isprintable()):
        yield f"name: at most {MAX_NAME_CHARS} printable characters"
    if request.preset not in PRESETS:
        yield f"preset: {request.preset[:32]!r} is none of {', '.join(PRESETS)}"
    if _CODEC.fullmatch(request.codec) is None:
        yield "codec: `auto` or FFmpeg's name of an encoder"
    yield from _rendition_errors(request)
    yield from _destination_errors(request.destinations)


def _size_errors(request: StreamRequest) -> Iterator[str]:
    short, long = sorted((request.width, request.height))
    if short < MIN_SIDE:
        yield f"resolution: {request.width}x{request.height} is below {MIN_SIDE} pixels"
    passed = request.mode is StreamMode.PASSTHROUGH
    if long > (MAX_PASSED_WIDTH if passed else MAX_LONG_SIDE) or (short > MAX_SHORT_SIDE and not passed):
        yield (
            f"resolution: {request.width}x{request.height} is above 1920x1080; "
            "ask for at most 1080 pixels on the short side, or for mode passthrough"
        )


def _time_errors(request: StreamRequest) -> Iterator[str]:
    least, most = KEYFRAME_MS
    if not least <= request.keyframe_interval_ms <= most:
        yield f"keyframe_interval_ms: {request.keyframe_interval_ms} is outside {least} to {most}"
    elif request.segment_ms % request.keyframe_interval_ms or not 0 < request.segment_ms <= MAX_SEGMENT_MS:
        yield (
            f"segment_ms: {request.segment_ms} must be a multiple of the key frame interval "
            f"({request.keyframe_interval_ms}) and at most {MAX_SEGMENT_MS}"
        )
    for name, value, (low, high) in (
        ("reconnect_window_s", request.reconnect_window_s, RECONNECT_S),
        ("key_lifetime_s", request.key_lifetime_s, KEY_LIFETIME_S),
    ):
        if not low <= value <= high:
            yield f"{name}: {value} is outside {low} to {high}"


def _rendition_errors(request: StreamRequest) -> Iterator[str]:
    renditions = request.renditions
    if renditions is None:
        return
    if request.mode is StreamMode.PASSTHROUGH:
        yield "renditions: a stream that is passed through has none"
        return
    if not 1 <= len(renditions) <= MAX_RENDITIONS:
        yield f"renditions: 1 to {MAX_RENDITIONS}"
    names = [rendition.name for rendition in renditions]
    if len(set(names)) != len(names):
        yield "renditions: every name may be used once"
    for place, rendition in enumerate(renditions):
        yield from (f"renditions[{place}]: {fault}" for fault in _faults_of(rendition, request))


def _faults_of(rendition: Rendition, request: StreamRequest) -> Iterator[str]:
    if _NAME.fullmatch(rendition.name) is None or rendition.name in ("audio", "source"):
        yield "name: 1 to 32 letters, digits, - and _, not `audio` or `source`"
    if rendition.width % 2 or rendition.height % 2 or min(rendition.width, rendition.height) < MIN_SIDE:
        yield f"{rendition.width}x{rendition.height}: even numbers from {MIN_SIDE} are needed"
    if rendition.width > request.width or rendition.height > request.height:
        yield f"{rendition.width}x{rendition.height} is larger than the source; nothing is upscaled"
    if frame_rate(rendition.frame_rate.fps) is None or rendition.frame_rate.fps > request.fps + 0.01:
        yield f"fps: {rendition.frame_rate.fps:g} is not supported, or above the source's {request.fps:g}"
    if not MIN_RENDITION_BPS <= rendition.video_bps <= MAX_BPS:
        yield f"bitrate: {rendition.video_bps} bit/s is outside {MIN_RENDITION_BPS} to {MAX_BPS}"


def _destination_errors(destinations: tuple[str, ...]) -> Iterator[str]:
    if len(destinations) > MAX_DESTINATIONS:
        yield f"destinations: at most {MAX_DESTINATIONS}"
    if len(set(destinations)) != len(destinations):
        yield "destinations: the same place is named twice"
    for place, url in enumerate(destinations):
        if len(url) > MAX_URL_CHARS or _DESTINATION.fullmatch(url) is None:
            yield f"destinations[{place}]: rtmp:// or rtmps://, host and path, {MAX_URL_CHARS} characters at most"


def _warnings(request: StreamRequest) -> Iterator[str]:
    if request.mode is StreamMode.PASSTHROUGH:
        yield "passed through: no encoder checks or repairs this stream, and viewers get one quality"
        return
    size = (request.width, request.height)
    if size not in STANDARD_SIZES and size[::-1] not in STANDARD_SIZES:
        yield f"{request.width}x{request.height} is no standard size; some players and platforms scale it badly"
    if request.width % 2 or request.height % 2:
        yield "odd sizes lose one line or column: 4:2:0 video needs even ones"
    wanted = recommended_bps(min(size), request.fps)
    if request.bitrate_bps < wanted / 2:
        yield f"{request.bitrate_bps} bit/s is little for {request.width}x{request.height} at {request.fps:g} fps"
    if request.preset in ("medium", "slow"):
        yield f"preset {request.preset} costs several times the CPU of veryfast for a small gain"


def _recommendations(request: StreamRequest) -> Iterator[str]:
    if request.mode is StreamMode.PASSTHROUGH:
        return
    wanted = recommended_bps(min(request.width, request.height), request.fps)
    if not wanted * 0.75 <= request.bitrate_bps <= wanted * 1.5:
        yield f"recommended bitrate for {request.width}x{request.height} at {request.fps:g} fps: {wanted} bit/s"
    seconds = request.keyframe_interval_ms / 1000
    yield f"set the publisher's key frame interval to {seconds:g} s: a failover has less to decode again"

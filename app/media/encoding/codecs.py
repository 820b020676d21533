"""How each encoder of FFmpeg is set up for live: no B-frames, no scene cuts, key frames only where forced.

Everything here depends on the order alone, never on the machine, so two nodes of one build give the same
parameter sets. Leaves to others: running the encoder.
"""

from __future__ import annotations

from typing import Final

from app.domain.errors import InvalidRequest
from app.domain.ladder import Rendition

DEFAULT_ENCODER: Final = "libx264"
PRESETS: Final = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
)
OUTPUT_CODECS: Final = {
    "libx264": "h264",
    "h264_nvenc": "h264",
    "h264_qsv": "h264",
    "h264_amf": "h264",
    "h264_vaapi": "h264",
    "libx265": "hevc",
    "hevc_nvenc": "hevc",
    "hevc_qsv": "hevc",
    "hevc_amf": "hevc",
    "hevc_vaapi": "hevc",
}
_NVENC_PRESETS: Final = ("p1", "p1", "p2", "p3", "p4", "p4", "p5", "p6", "p7")
_ENDLESS_GOP: Final = "1000000"
_LOOKAHEAD_S: Final = 0.2
"""How far the rate control may look ahead: its quality for 0.2 s of latency, the same at every frame rate."""
_MAX_LOOKAHEAD: Final = 10
_PIXELS_PER_S_PER_THREAD: Final = 20_000_000
_MAX_THREADS: Final = 6


def encoder_name(codec: str) -> str:
    """FFmpeg's encoder for an order's `codec`. Raises InvalidRequest for one this product can't send."""
    name = DEFAULT_ENCODER if codec == "auto" else codec
    if name not in OUTPUT_CODECS:
        raise InvalidRequest(f"unknown encoder {codec}", hint=f"one of auto, {', '.join(OUTPUT_CODECS)}")
    return name


def encoder_options(name: str, rendition: Rendition, preset: str, *, repeatable: bool = False) -> dict[str, str]:
    """Options for `name`; rates in bit/s are part of them. Raises InvalidRequest for an unknown preset.

    `repeatable`: the same frames give the same bytes each time, where software can do that.
    """
    if preset not in PRESETS:
        raise InvalidRequest(f"unknown preset {preset}", hint=f"one of {', '.join(PRESETS)}")
    common = {
        "b": str(rendition.video_bps),
        "maxrate": str(rendition.video_bps),
        "bufsize": str(rendition.video_bps),
        "bf": "0",
        "g": _ENDLESS_GOP,
    }
    threads = 1 if repeatable else encoder_threads(rendition)
    return common | _own_options(name, rendition, preset, threads)


def _own_options(name: str, rendition: Rendition, preset: str, threads: int) -> dict[str, str]:
    if name == "libx264":
        return {
            "preset": preset,
            "forced-idr": "1",
            "threads": str(threads),
            "x264-params": f"scenecut=0:sync-lookahead=0:rc-lookahead={lookahead_frames(rendition)}",
        }
    if name == "libx265":
        return {
            "preset": preset,
            "forced-idr": "1",
            "x265-params": f"scenecut=0:bframes=0:keyint=-1:rc-lookahead={lookahead_frames(rendition)}:"
            f"pools={threads}:frame-threads=1:log-level=error",
        }
    if name.endswith("_nvenc"):
        nvenc_preset = _NVENC_PRESETS[PRESETS.index(preset)]
        return {
            "preset": nvenc_preset,
            "tune": "ll",
            "rc": "cbr",
            "forced-idr": "1",
            "no-scenecut": "1",
            "delay": "0",
        }
    if name.endswith("_qsv"):
        return {"preset": _qsv_preset(preset), "forced_idr": "1", "look_ahead": "0", "async_depth": "1"}
    return {}


def pixel_format(name: str) -> str:
    """4:2:0 with 8 bits, in the layout the encoder takes."""
    return "nv12" if name.endswith(("_qsv", "_vaapi")) else "yuv420p"


def lookahead_frames(rendition: Rendition) -> int:
    return min(_MAX_LOOKAHEAD, round(rendition.frame_rate.fps * _LOOKAHEAD_S))


def encoder_threads(rendition: Rendition) -> int:
    """Fixed by the picture, not by the machine: the number of threads is part of what an encoder puts out.

    With more than one, x264 under a buffer model does not give the same bytes twice, whatever else it is told.
    """
    pixels_per_s = rendition.width * rendition.height * rendition.frame_rate.fps
    return max(1, min(_MAX_THREADS, round(pixels_per_s / _PIXELS_PER_S_PER_THREAD)))


def _qsv_preset(preset: str) -> str:
    return "veryfast" if preset in ("ultrafast", "superfast") else preset

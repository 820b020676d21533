"""Which renditions a stream gets when nobody named them: the asked one and standard ones below it, never above."""

from __future__ import annotations

from typing import Final

from app.domain.ladder import FrameRate, Rendition

STANDARD_RUNGS: Final = (1080, 720, 480, 360)
"""Short side of the picture, in pixels."""
REFERENCE_BPS: Final = {1080: 8_000_000, 720: 4_500_000, 480: 2_000_000, 360: 1_000_000}
"""Up to 30 fps. 480p to 1080p are the recommended rates of the stream rules; 360p is half of 480p."""
HIGH_RATE_FACTOR: Final = 1.5
"""Above 30 fps."""
LEAST_STEP: Final = 0.85
"""A rung nearer than this to the one above it adds load and no choice."""
LEAST_VIDEO_BPS: Final = 400_000

FRAME_RATES: Final = (
    FrameRate(24),
    FrameRate(25),
    FrameRate(30_000, 1001),
    FrameRate(30),
    FrameRate(50),
    FrameRate(60_000, 1001),
    FrameRate(60),
)


def frame_rate(fps: float) -> FrameRate | None:
    """The supported rate that `fps` means, or None."""
    meant = FrameRate.of(fps)
    return meant if meant in FRAME_RATES else None


def recommended_bps(short_side: int, fps: float) -> int:
    """2, 4.5 or 8 Mbit/s for up to 480p, 720p and above, half as much again above 30 fps."""
    rung = 480 if short_side <= 480 else 720 if short_side <= 720 else 1080
    return int(REFERENCE_BPS[rung] * (HIGH_RATE_FACTOR if fps > 30.0 else 1.0))


def _lower_rungs(short_side: int) -> tuple[int, ...]:
    wanted = 2 if short_side > 720 else 1 if short_side > 360 else 0
    return tuple(rung for rung in STANDARD_RUNGS if rung <= short_side * LEAST_STEP)[:wanted]


def _even(pixels: float) -> int:
    return max(2, round(pixels / 2) * 2)


def default_ladder(*, width: int, height: int, rate: FrameRate, video_bps: int) -> tuple[Rendition, ...]:
    """Highest first. Portrait pictures get the same rungs by their short side; odd sizes lose one pixel.

    Lower rungs get the share of `video_bps` that the reference rates give them.
    """
    width, height = width - width % 2, height - height % 2
    short = min(width, height)
    ladder = [Rendition(f"{short}p", width, height, rate, video_bps)]
    for rung in _lower_rungs(short):
        share = REFERENCE_BPS[rung] / _reference_bps(short)
        size = (_even(width * rung / short), _even(height * rung / short))
        bps = max(min(LEAST_VIDEO_BPS, video_bps), int(video_bps * min(share, 0.7)))
        ladder.append(Rendition(f"{rung}p", *size, rate, bps))
    return tuple(ladder)


def _reference_bps(short_side: int) -> float:
    """Between two rungs: by area, from the rung above or at it."""
    above = min((rung for rung in STANDARD_RUNGS if rung >= short_side), default=1080)
    return REFERENCE_BPS[above] * min(1.0, short_side / above) ** 2

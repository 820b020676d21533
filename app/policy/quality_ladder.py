"""When a stream's quality is taken back because its encoder cannot keep up, and when it comes back.

Pure. Down in the order bitrate, size, frame rate, one step at a time and never two within a minute; up again step
by step after a long time without pressure, and more slowly each time it was too early. Pressure is the encoder's
alone: a source that comes slowly and a viewer that reads slowly are none. How a step is carried out is others'
business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from app.domain.ladder import FrameRate, Ladder, Rendition
from app.policy.default_ladder import STANDARD_RUNGS
from app.policy.windows import Rule, Window, look

BITRATE_SHARES: Final = (0.8, 0.6)
RUNGS_DOWN: Final = (1, 2)
FAST_FPS: Final = 30.0
"""Above it the frame rate is halved; below it every 24th of a second is left."""
FILM: Final = FrameRate(24)
LEAST_BPS: Final = 100_000

PRESSURE: Final = Rule(bad=12, of=15, clear_s=0.0)
"""A look each second. A stream that falls behind is moved after ten seconds, where there is somewhere to go: that
is tried first."""
DWELL_S: Final = 60.0
"""Between two changes."""
RELIEVED_S: Final = 120.0
"""Without pressure, before a step up."""
RELIEVED_MAX_S: Final = 1_800.0
TOO_EARLY_S: Final = 1_800.0
"""Pressure so soon after a step up says that it was too early: an encoder near its limit falls behind again when
its neighbours or its pictures ask for a little more."""
SLOW_BELOW: Final = 0.97
BEHIND_MS: Final = 1_000.0
"""The programme behind the source: what tells a slow encoder from a slow source."""
NEAR_MS: Final = 600.0
CPU_FULL_PERCENT: Final = 95.0
CPU_FREE_PERCENT: Final = 75.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Of the worker on air and its encoder; None: not known. `ailing`: why the encoder's health asks for less."""

    generation: int
    source_flows: bool
    speed: float | None = None
    lag_ms: float | None = None
    cpu_percent: float | None = None
    ailing: str | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """`step` 0: as asked. Times in monotonic seconds."""

    step: int = 0
    generation: int = 0
    pressure: Window = field(default_factory=Window)
    relieved_since: float | None = None
    changed_at: float | None = None
    raised_at: float | None = None
    wait_s: float = RELIEVED_S


@dataclass(frozen=True, slots=True)
class Move:
    to_step: int
    reason: str


@lru_cache(maxsize=1_024)
def steps(asked: Ladder) -> tuple[Ladder, ...]:
    """From what was asked down to the least; each one differs from that before."""
    found = [asked]
    for lowered in _lower(asked):
        if lowered != found[-1]:
            found.append(lowered)
    return tuple(found)


def step_of(asked: Ladder, present: Ladder) -> int:
    """Where a stream stands that was lowered by an earlier control; one that stands nowhere is as asked."""
    ladders = steps(asked)
    return ladders.index(present) if present in ladders else 0


def pressure(sample: Sample) -> str | None:
    """Why the encoder has too much to do, or None."""
    if not sample.source_flows:
        return None
    if sample.ailing is not None:
        return sample.ailing
    if sample.lag_ms is None or sample.lag_ms < BEHIND_MS:
        return None
    if sample.speed is not None and sample.speed < SLOW_BELOW:
        return f"its encoder falls behind: speed {sample.speed:.2f}, {sample.lag_ms / 1000:.1f} s behind the source"
    if sample.cpu_percent is not None and sample.cpu_percent >= CPU_FULL_PERCENT:
        return f"its encoder's CPU is full: {sample.cpu_percent:.0f} %, {sample.lag_ms / 1000:.1f} s behind"
    return None


def is_relieved(sample: Sample) -> bool:
    """Whether there is room for more; what is not known stands in the way only where nothing is known."""
    if not sample.source_flows or sample.ailing is not None or sample.lag_ms is None:
        return False
    well = sample.lag_ms < NEAR_MS and (sample.speed is None or sample.speed >= SLOW_BELOW)
    return well and (sample.cpu_percent is None or sample.cpu_percent < CPU_FREE_PERCENT)


def feed(quality: Quality, sample: Sample, now: float, *, most: int) -> tuple[Quality, Move | None]:
    """The stream after this look, and the step to be made now. `most`: the last step there is.

    A move is asked for again with the next look until `moved` says that it was made.
    """
    if sample.generation != quality.generation:
        # Another worker begins without a history; what was taken back stays so until it has proved itself.
        quality = replace(quality, generation=sample.generation, pressure=Window(), relieved_since=None)
    why = pressure(sample)
    window = look(quality.pressure, PRESSURE, why is not None if sample.source_flows else None, now)
    quality = replace(quality, pressure=window, relieved_since=_relieved_since(quality, sample, now))
    if quality.changed_at is not None and now - quality.changed_at < DWELL_S:
        return quality, None
    if window.is_on and why is not None:
        return quality, Move(quality.step + 1, why) if quality.step < most else None
    if quality.step > 0 and quality.relieved_since is not None and now - quality.relieved_since >= quality.wait_s:
        return quality, Move(quality.step - 1, f"its encoder has had room for {quality.wait_s:.0f} s")
    return quality, None


def moved(quality: Quality, to_step: int, now: float) -> Quality:
    """The step was made."""
    wait_s, raised_at = quality.wait_s, quality.raised_at
    if to_step < quality.step:
        raised_at = now
    elif raised_at is not None:
        # Only the first step down after one up says whether that was too early.
        too_early = now - raised_at < TOO_EARLY_S
        wait_s = min(2.0 * wait_s, RELIEVED_MAX_S) if too_early else RELIEVED_S
        raised_at = None
    return replace(
        quality,
        step=to_step,
        pressure=Window(),
        relieved_since=None,
        changed_at=now,
        raised_at=raised_at,
        wait_s=wait_s,
    )


def failed(quality: Quality, now: float) -> Quality:
    """The step could not be made: it waits as long as between two."""
    return replace(quality, changed_at=now, pressure=Window())


def _relieved_since(quality: Quality, sample: Sample, now: float) -> float | None:
    if not is_relieved(sample):
        return None
    return now if quality.relieved_since is None else quality.relieved_since


def _lower(asked: Ladder) -> Iterator[Ladder]:
    for share in BITRATE_SHARES:
        yield _with(asked, tuple(_at_rate(r, share) for r in asked.renditions))
    slim = tuple(_at_rate(r, BITRATE_SHARES[-1]) for r in asked.renditions)
    for down in RUNGS_DOWN:
        slim_and_small = _smaller(slim, down)
        yield _with(asked, slim_and_small)
    yield _with(asked, tuple(replace(r, frame_rate=_slower(r.frame_rate)) for r in slim_and_small))


def _with(ladder: Ladder, renditions: tuple[Rendition, ...]) -> Ladder:
    return replace(ladder, renditions=renditions)


def _at_rate(rendition: Rendition, share: float) -> Rendition:
    return replace(rendition, video_bps=max(min(LEAST_BPS, rendition.video_bps), int(rendition.video_bps * share)))


def _smaller(renditions: tuple[Rendition, ...], down: int) -> tuple[Rendition, ...]:
    """Without the largest ones; a ladder's last one is made smaller by as many standard sizes as are missing."""
    left = renditions[down:] or renditions[-1:]
    missing = down - (len(renditions) - len(left))
    for _ in range(missing):
        left = tuple(_next_size(rendition) for rendition in left)
    return left


def _next_size(rendition: Rendition) -> Rendition:
    short = min(rendition.width, rendition.height)
    rung = next((rung for rung in STANDARD_RUNGS if rung < short), None)
    if rung is None:
        return rendition
    width, height = _even(rendition.width * rung / short), _even(rendition.height * rung / short)
    bps = max(min(LEAST_BPS, rendition.video_bps), int(rendition.video_bps * rung / short))
    return Rendition(f"{rung}p", width, height, rendition.frame_rate, bps)


def _slower(rate: FrameRate) -> FrameRate:
    if rate.fps > FAST_FPS:
        return FrameRate.of(rate.fps / 2)
    return FILM if rate.fps > FILM.fps else rate


def _even(pixels: float) -> int:
    return max(2, round(pixels / 2) * 2)

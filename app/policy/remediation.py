"""Whether a remedy may be tried on a device now: its own state, what it carries, budgets, the whole fleet. Pure.

A refusal says why in words. What `force` of a person can overrule is said at each rule; nobody overrules that a
device can't be asked, that another remedy is at work on it, or that what it needs is missing. Limits that outlive
control are counted in the journal, by wall time: a try whose time lies ahead, because a clock was set back, counts
as one of now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.domain.device import DeviceReading, EngineState
from app.domain.ids import EncoderId
from app.domain.remediation import Carried, Remedy, RemedyBreaker, RemedyRun
from app.policy.remedies import CATALOGUE, Spec

REBOOT_EACH_S: Final = 1_800.0
REBOOTS_A_DAY: Final = 3
DAY_S: Final = 86_400.0
MAX_UNHEALTHY: Final = 0.4
"""Share of all devices; with more of them the fault is taken to lie elsewhere. One alone is never too many."""
PAUSES_S: Final = (10.0, 30.0, 90.0, 300.0)
"""After so many tries in a row that did not help."""
TRIES_AN_HOUR: Final = 6
HOUR_S: Final = 3_600.0
FAILURES_OPEN: Final = 3
"""Tries in a row that did not help: a person has to look."""
HANDS_OFF_S: Final = 3_600.0
"""So long a device is left to the person who changed it by hand."""


@dataclass(frozen=True, slots=True)
class Wish:
    """`force` is a person's alone."""

    encoder_id: EncoderId
    remedy: Remedy
    by_person: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when it is decided. `reading` None: the device can't be asked now.

    `unhealthy` of `members`: devices with something grave, or out of reach. `wanted`: the value that a remedy would
    set, None where it sets none or none is known; `has_profile`: a stream says how the device is to be set up.
    `in_circles`: it restarts again and again by itself.
    """

    now: datetime
    reading: DeviceReading | None
    carried: tuple[Carried, ...] = ()
    members: int = 1
    unhealthy: int = 0
    breaker: RemedyBreaker | None = None
    hands_off_until: datetime | None = None
    wanted: str | None = None
    has_profile: bool = False
    in_circles: bool = False


def judge(wish: Wish, seen: Situation, runs: Sequence[RemedyRun]) -> str | None:
    """Why not; None: it may be tried. `runs`: those of all devices of the last day, and all that are not over."""
    return next(_reasons(wish, seen, [run for run in runs if not run.is_dry]), None)


def _reasons(wish: Wish, seen: Situation, runs: Sequence[RemedyRun]) -> Iterator[str]:
    spec = CATALOGUE[wish.remedy]
    own = [run for run in runs if run.encoder_id == wish.encoder_id]
    if seen.reading is None:
        yield "the device can't be asked now"
        return
    if any(not run.is_over for run in own):
        yield "another remedy is at work on this device"
    yield from _missing(wish.remedy, seen.reading, seen)
    if not wish.by_person:
        yield from _not_by_itself(wish, spec, seen, own)
    if wish.force:
        return
    if seen.breaker is not None and seen.breaker.is_open:
        yield f"its breaker is open until a person clears it: {seen.breaker.reason}"
    if spec.is_disruptive:
        yield from _fleet(seen, runs)
        last = last_that_feeds(wish.remedy, seen.reading, seen.carried)
        if last is not None:
            yield last
    if spec.needs_rest:
        yield from _unrest(seen.reading)
    if wish.remedy is Remedy.REBOOT:
        yield from _reboots(seen, own)


def is_too_sick(members: int, unhealthy: int) -> bool:
    """Whether so many devices look bad that nothing is done without a person."""
    return unhealthy > max(1.0, MAX_UNHEALTHY * members)


def why_opened(runs: Sequence[RemedyRun], cleared_at: datetime | None, now: datetime) -> str | None:
    """Why the breaker of a device is to open after these runs of it; None: it stays shut."""
    told = sorted((run for run in _since(runs, cleared_at) if run.helped is not None), key=lambda run: run.began_at)
    failures = _failures(told)
    if failures >= FAILURES_OPEN:
        return f"{failures} tries in a row did not help, the last was to {CATALOGUE[told[-1].remedy].words}"
    reboots = [run for run in told if run.remedy is Remedy.REBOOT and _age_s(run, now) < DAY_S]
    if len(reboots) >= REBOOTS_A_DAY and told[-1].helped is False:
        return f"{len(reboots)} restarts within a day, and it is not well"
    return None


def is_to_leave(remedy: Remedy, carried: Sequence[Carried]) -> bool:
    """Whether streams are to be kept from a device whose breaker opened with this remedy: only where it is its
    streaming that can't be mended, and nobody loses the only picture there may ever be."""
    is_about_streaming = remedy in (Remedy.REBOOT, Remedy.RESTART_STREAM)
    return is_about_streaming and all(stream.other_flows for stream in carried)


def last_that_feeds(remedy: Remedy, reading: DeviceReading, carried: Sequence[Carried]) -> str | None:
    """Why a device may not be disturbed: a picture that arrives, or of which it is not known, is not cut off while
    no other one is there."""
    if remedy is Remedy.CHANGE_INPUT and reading.has_input is False:
        # Viewers see its test pattern: there is no picture to lose.
        return None
    found = (stream for stream in carried if stream.flows is not False and not stream.other_flows)
    last = next(found, None)
    return None if last is None else f"it is the last that feeds {last.stream_id}"


# --- the rules


def _missing(remedy: Remedy, reading: DeviceReading, seen: Situation) -> Iterator[str]:
    """What nobody can overrule: the remedy would do nothing, or has nothing to go by."""
    spec = CATALOGUE[remedy]
    if spec.choice is not None and seen.wanted is None:
        yield "no value is configured that it could be set to"
    if remedy is Remedy.RESTART_STREAM and not seen.carried:
        yield "it feeds no stream"
    if remedy is Remedy.REAPPLY_PROFILE and not seen.has_profile:
        yield "no stream says how it is to be set up"
    if remedy is Remedy.LEAVE_TRANSFER_MODE and reading.is_in_transfer_mode is False:
        yield "it is not in file-transfer mode"
    if remedy is Remedy.STOP_RECORDING and reading.recording not in (EngineState.RUNNING, EngineState.STARTING):
        yield "it does not record"
    if remedy is Remedy.CHANGE_MEDIUM and reading.recording is EngineState.RUNNING:
        yield "it records: it would not change over"


def _not_by_itself(wish: Wish, spec: Spec, seen: Situation, own: Sequence[RemedyRun]) -> Iterator[str]:
    if seen.hands_off_until is not None and seen.now < seen.hands_off_until:
        yield "a person changed it by hand lately"
    if is_too_sick(seen.members, seen.unhealthy):
        yield f"{seen.unhealthy} of {seen.members} devices look bad: the fault lies elsewhere"
    if seen.in_circles and wish.remedy is Remedy.REBOOT:
        yield "it restarts again and again by itself"
    if any(run.remedy is wish.remedy and _age_s(run, seen.now) < spec.cool_down_s for run in own):
        yield "the same was tried lately"
    cleared_at = None if seen.breaker is None else seen.breaker.cleared_at
    done = sorted(_since(own, cleared_at), key=lambda run: run.began_at)
    failures = _failures(done)
    if failures and _age_s(done[-1], seen.now) < PAUSES_S[min(failures, len(PAUSES_S)) - 1]:
        yield "it rests after a try that did not help"
    if sum(_age_s(run, seen.now) < HOUR_S for run in own) >= TRIES_AN_HOUR:
        yield f"{TRIES_AN_HOUR} tries within an hour"


def _fleet(seen: Situation, runs: Sequence[RemedyRun]) -> Iterator[str]:
    busy = next((run for run in runs if run.is_disruptive and not run.is_over), None)
    if busy is not None:
        yield f"{busy.encoder_id} is being mended: one at a time"
    if is_too_sick(seen.members, seen.unhealthy):
        yield f"{seen.unhealthy} of {seen.members} devices look bad: the fault lies elsewhere"


def _unrest(reading: DeviceReading) -> Iterator[str]:
    for state, what in ((reading.streaming, "streams"), (reading.recording, "records")):
        if state is None:
            yield f"it does not tell whether it {what}"
        elif state in (EngineState.RUNNING, EngineState.STARTING):
            yield f"it {what}"
    if reading.is_in_transfer_mode:
        yield "files may be on their way: it is in transfer mode"


def _reboots(seen: Situation, own: Sequence[RemedyRun]) -> Iterator[str]:
    reboots = [run for run in own if run.remedy is Remedy.REBOOT]
    if any(_age_s(run, seen.now) < REBOOT_EACH_S for run in reboots):
        yield f"it was restarted within the last {REBOOT_EACH_S / 60:g} min"
    cleared_at = None if seen.breaker is None else seen.breaker.cleared_at
    today = sum(_age_s(run, seen.now) < DAY_S for run in _since(reboots, cleared_at))
    if today >= REBOOTS_A_DAY:
        yield f"it was restarted {today} times within a day"


def _since(runs: Sequence[RemedyRun], cleared_at: datetime | None) -> list[RemedyRun]:
    return [run for run in runs if not run.is_dry and (cleared_at is None or run.began_at > cleared_at)]


def _failures(ordered: Sequence[RemedyRun]) -> int:
    """In a row, at the end."""
    count = 0
    for run in reversed(ordered):
        if run.helped is True:
            break
        count += run.helped is False
    return count


def _age_s(run: RemedyRun, now: datetime) -> float:
    return max(0.0, (now - run.began_at).total_seconds())

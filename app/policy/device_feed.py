"""What is to be done next for a stream that devices feed. Pure: one look at both inputs in, commands out.

Level-triggered: nothing is remembered but what is seen, so a control that was restarted goes on where the devices
are. Which input is on air is the gateway's to decide at once; here it is followed, repaired behind, and moved only
where an operator wants a device free, where its cable is out while the other one has a signal, or where it is too
hot (`device_heat.py`). How a device is set up or found is for others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.device import EngineState
from app.domain.encoder import EncoderState
from app.domain.failover import DecidedBy
from app.domain.ids import EncoderId
from app.domain.stream import Input
from app.policy.device_heat import rests, unfit
from app.policy.failover_words import Leave

LOST_S: Final = 2.0
"""A primary that has not flowed for so long is lost: a backup that stands by is started."""
BLIND_S: Final = 3.0
"""A device on air without a signal for so long is left: it sends black, which the gateway takes for a flow."""
GRACE_S: Final = 12.0
"""After its start a device has so long to be seen at the gateway, and one that broke to mend itself."""
MAX_FAILURES: Final = 3
"""A device that failed so often in a row is given up for another."""
CHECK_S: Final = 60.0
"""A backup is looked at so often: somebody may have changed it by hand."""

_LEAVING: Final = frozenset({EncoderState.STOPPED, EncoderState.DRAINING})


class Deed(StrEnum):
    PROMOTE = "promote"
    """The gateway has this input on air: its device is the primary one from now on."""
    SEEK = "seek"
    """Find a device for this input."""
    START = "start"
    """Set it up and have it stream; one that streams as it should is left alone."""
    RESTART = "restart"
    """It says that it streams, and nothing comes."""
    STAND_BY = "stand by"
    """Set it up, and have it not stream."""
    LET_GO = "let go"
    SWITCH_TO = "switch to"
    """Have the gateway put this input on air."""


@dataclass(frozen=True, slots=True)
class Command:
    deed: Deed
    input: Input
    reason: str
    decided_by: DecidedBy = DecidedBy.CONTROL
    waits_its_turn: bool = False
    """For heat one stream of the whole fleet leaves at a time."""


@dataclass(frozen=True, slots=True)
class SeatSeen:
    """One input now; times in monotonic seconds.

    `state` None: its device is none of the fleet any more. `busy`: a deed is under way. `quiet_since`: since when
    nothing comes that should; None while it flows. `has_input`: a signal at the device; None: not known.
    `blind_since`: since when it says that it has none; None: it does not. `set_up_at`: when it was last set up or
    checked; None: it never was by this control. `leave`, `shun`: what thermal control says against the device;
    `has_cooler`: whether a cooler one could have its seat.
    """

    encoder_id: EncoderId | None
    state: EncoderState | None = None
    engine: EngineState | None = None
    flows: bool = False
    busy: bool = False
    rests_until: float = 0.0
    failures: int = 0
    started_at: float | None = None
    quiet_since: float | None = None
    has_input: bool | None = None
    blind_since: float | None = None
    set_up_at: float | None = None
    leave: Leave | None = None
    shun: Leave | None = None
    has_cooler: bool = False

    def is_blind(self, now: float) -> bool:
        return self.blind_since is not None and now - self.blind_since >= BLIND_S

    def is_leaving(self) -> bool:
        return self.state in _LEAVING


def judge(
    seats: Mapping[Input, SeatSeen], *, primary: Input, on_air: Input | None, hot: bool, now: float
) -> tuple[Command, ...]:
    """One command at most for each input, and a promotion before all of them."""
    commands: list[Command] = []
    if on_air is not None and on_air is not primary:
        commands.append(Command(Deed.PROMOTE, on_air, f"the {on_air} input is on air"))
        primary = on_air
    for name in (primary, primary.other):
        seat = seats[name]
        if seat.busy or now < seat.rests_until:
            continue
        command = _next(name, seat, seats[name.other], is_primary=name is primary, hot=hot, now=now)
        if command is not None:
            commands.append(command)
    return tuple(commands)


def _next(
    name: Input, seat: SeatSeen, other: SeatSeen, *, is_primary: bool, hot: bool, now: float
) -> Command | None:
    if seat.encoder_id is None:
        return Command(Deed.SEEK, name, "no device feeds this input")
    left = _why_left(seat, other, is_primary=is_primary, now=now)
    if left is not None:
        if not (is_primary and seat.flows):
            return Command(Deed.LET_GO, name, left)
        # On air it is left only for one that flows, by a change at a key frame; asked for once in a while.
        is_asked = other.busy or now < other.rests_until
        return None if is_asked else Command(Deed.SWITCH_TO, name.other, left, _who_wants(seat))
    if is_primary and (wish := _wish_of_heat(seat, other, now)) is not None and other.flows:
        is_asked = other.busy or now < other.rests_until
        cause = f"{seat.encoder_id} is to be left for heat: {wish.cause}"
        return (
            None if is_asked else Command(Deed.SWITCH_TO, name.other, cause, wish.by, waits_its_turn=not wish.must)
        )
    if not is_primary and rests(seat, other) and not _is_needed(other, seat, now):
        return _to_stand_by(name, seat, other, now)
    if seat.flows and hot and not is_primary:
        return _look_after(name, seat, other, now)
    if hot or is_primary or _is_needed(other, seat, now):
        return _to_stream(name, seat, now)
    return _to_stand_by(name, seat, other, now)


def _why_left(seat: SeatSeen, other: SeatSeen, *, is_primary: bool, now: float) -> str | None:
    """Why this input is to have another device; None: it keeps it."""
    if seat.flows:
        # What comes is good, whatever control can reach; an operator's wish waits for one that is to stay.
        may_go = other.flows and not (is_primary and other.is_leaving())
        if is_primary and may_go and seat.is_blind(now) and other.has_input:
            return "no signal at the input of the device on air"
        if seat.is_leaving() and may_go:
            return "an operator wants the device free"
        return None if is_primary else _why_cooler(seat, other)
    if seat.state is None:
        return "the device is none of the fleet any more"
    if seat.state is EncoderState.OFFLINE:
        return "the device does not answer"
    if seat.is_leaving():
        return "an operator wants the device free"
    if seat.engine is EngineState.SHUT_DOWN:
        return "the device has shut its encoder down"
    if seat.failures >= MAX_FAILURES:
        return f"it failed {seat.failures} times"
    return None if is_primary else _why_cooler(seat, other)


def _why_cooler(seat: SeatSeen, other: SeatSeen) -> str | None:
    """Of a device off the air: a cooler one is to have its seat, while the other one has the picture."""
    wish = seat.leave or seat.shun
    return None if wish is None or not (seat.has_cooler and other.flows) else f"heat: {wish.cause}"


def _wish_of_heat(seat: SeatSeen, other: SeatSeen, now: float) -> Leave | None:
    """To have the other device on air; None: there is none, or nothing would be better there."""
    return seat.leave if seat.leave is not None and unfit(other, seat.leave, now) is None else None


def _who_wants(seat: SeatSeen) -> DecidedBy:
    return DecidedBy.OPERATOR if seat.is_leaving() else DecidedBy.CONTROL


def _is_needed(primary: SeatSeen, backup: SeatSeen, now: float) -> bool:
    """Whether the one that stands by has to stream, because the primary does not, sees nothing or is to be left."""
    lost = primary.quiet_since is not None and now - primary.quiet_since >= LOST_S
    blind = primary.is_blind(now) and backup.has_input is True
    hot = _wish_of_heat(primary, backup, now) is not None
    return lost or blind or hot or primary.encoder_id is None or primary.is_leaving()


def _look_after(name: Input, seat: SeatSeen, other: SeatSeen, now: float) -> Command | None:
    """A backup that flows is set right off the air, while the other one flows, should its settings be others."""
    is_due = seat.set_up_at is None or now - seat.set_up_at >= CHECK_S
    return Command(Deed.START, name, "it is to stream as it should") if is_due and other.flows else None


def _to_stream(name: Input, seat: SeatSeen, now: float) -> Command | None:
    if seat.flows or seat.engine is EngineState.STARTING:
        return None
    since = max((at for at in (seat.started_at, seat.quiet_since) if at is not None), default=now)
    mends = now - since < GRACE_S
    if seat.engine is EngineState.RUNNING:
        if seat.started_at is None:
            return Command(Deed.START, name, "it streams, and not here")
        return None if mends else Command(Deed.RESTART, name, "it says that it streams, and nothing comes")
    if seat.engine is EngineState.FAILED and mends:
        return None
    return Command(Deed.START, name, "it is to stream")


def _to_stand_by(name: Input, seat: SeatSeen, other: SeatSeen, now: float) -> Command | None:
    if seat.flows or seat.engine is EngineState.RUNNING:
        # Never the last one that flows.
        return Command(Deed.STAND_BY, name, "the other one is on air") if other.flows else None
    is_due = seat.set_up_at is None or now - seat.set_up_at >= CHECK_S
    return Command(Deed.STAND_BY, name, "it is to stand ready") if is_due else None

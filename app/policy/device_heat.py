"""What heat asks of the two devices of a stream. Pure; when which deed is done is `device_feed.py`'s business.

The picture comes before the heat: nothing leaves for a device that sends nothing, sends black, or is hot itself.
"""

from __future__ import annotations

from typing import Protocol

from app.domain.ids import EncoderId
from app.policy.failover_words import Leave


class Warm(Protocol):
    """One seat as seen. `leave`: why what runs there is to leave; `shun`: why nothing should wait there."""

    @property
    def encoder_id(self) -> EncoderId | None: ...
    @property
    def leave(self) -> Leave | None: ...
    @property
    def shun(self) -> Leave | None: ...
    @property
    def flows(self) -> bool: ...
    @property
    def started_at(self) -> float | None: ...

    def is_blind(self, now: float) -> bool: ...
    def is_leaving(self) -> bool: ...


def is_hot(seat: Warm) -> bool:
    return seat.leave is not None or seat.shun is not None


def unfit(other: Warm, wish: Leave, now: float) -> str | None:
    """Why this device cannot take over from one that `wish` has leave, though it were to flow; None: it can."""
    if other.encoder_id is None:
        return "there is no other device"
    # At the hard stop one that is only hot is better.
    if other.leave is not None or (other.shun is not None and not wish.must):
        return f"{other.encoder_id} is hot too"
    if other.is_blind(now):
        return f"{other.encoder_id} has no signal at its input"
    return f"{other.encoder_id} is to be free by an operator's wish" if other.is_leaving() else None


def rests(seat: Warm, other: Warm) -> bool:
    """Whether a device off the air is kept still to cool: at the hard stop, and then until it is no longer hot."""
    is_stopped = not seat.flows and seat.started_at is None and is_hot(seat)
    return other.flows and (is_stopped or (seat.leave is not None and seat.leave.must))


def why_it_stays(seat: Warm, other: Warm, now: float) -> str | None:
    """Of the device on air: why it is not left though it is to be. None: it is not to be, or it will be."""
    return None if seat.leave is None or not seat.flows else unfit(other, seat.leave, now)

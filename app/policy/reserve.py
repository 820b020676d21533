"""Whether every stream still has its place after the loss of any one host.

Pure: what is promised where goes in, the worst loss comes out. Who keeps the promises is the ledger's business, who
is refused for want of a reserve the balancer's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.fleet import ReserveView
from app.domain.ids import EncoderId, HostId, StreamId

STREAMS_TOLD: Final = 100
TOLERANCE_PIXELS_PER_S: Final = 1.0
"""Sums of floats differ by less."""


class Reserve(StrEnum):
    """What is done with a new stream for which no second place can be kept."""

    WARN = "warn"
    """It is taken, and the answer says that it is unprotected."""
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Account:
    """Of one encoder, in pixels per second. `firm`: in use, or kept for one stream alone; `if_lost`: what more
    comes here when that host is lost. `is_there`: takes what comes to it."""

    encoder_id: EncoderId
    capacity: float
    firm: float
    if_lost: Mapping[HostId, float]
    is_there: bool


def judge(accounts: Iterable[Account], without_place: Iterable[StreamId]) -> ReserveView:
    short: dict[HostId, float] = {}
    for account in accounts:
        room = account.capacity - account.firm if account.is_there else 0.0
        for host_id, pixels in account.if_lost.items():
            lacking = pixels - max(room, 0.0)
            if lacking > TOLERANCE_PIXELS_PER_S:
                short[host_id] = short.get(host_id, 0.0) + lacking
    bare = sorted(without_place)
    worst = max(short, key=lambda host_id: (short[host_id], host_id), default=None)
    return ReserveView(
        holds=worst is None and not bare,
        worst_host=worst,
        shortfall_pixels_per_s=0.0 if worst is None else short[worst],
        without_place=tuple(bare[:STREAMS_TOLD]),
        without_place_count=len(bare),
    )

"""What is known of the certificate at one place, and when to look there again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.domain.certificate import ChainVerdict, Place, PlaceKind, ServedChain

OWN_S: Final = 300.0
DEVICE_S: Final = 3_600.0
AGAIN_S: Final = 60.0
"""After a look that saw nothing."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One place as it was last seen. `error`: why nothing newer could be seen. `due`: monotonic seconds.

    `renewal_due`: when the certificate is to be renewed by us; None: that is not our business.
    """

    place: Place
    chain: ServedChain | None = None
    verdict: ChainVerdict | None = None
    looked_at: datetime | None = None
    error: str | None = None
    due: float = 0.0
    renewal_due: datetime | None = None


def is_pinned(place: Place, chain: ServedChain) -> bool:
    """It is the very certificate that was accepted there, whoever signed it."""
    return place.pin is not None and place.pin.replace(":", "").lower() == chain.leaf.fingerprint


def pause_s(place: Place) -> float:
    return OWN_S if place.kind is PlaceKind.OWN else DEVICE_S

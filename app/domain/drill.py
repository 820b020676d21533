"""Failover drills: a real fault or a planned switch on a running stream, to prove that its standby holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DrillKind(StrEnum):
    KILL = "kill"
    """The active worker gets SIGKILL."""
    STALL = "stall"
    """The active worker gets SIGSTOP: alive on TCP, no frames."""
    PLANNED = "planned"
    """The stream is given to its standby at a segment border."""


@dataclass(frozen=True, slots=True)
class DrillOutcome:
    """The last drill of a stream. `fault` says why it failed; None: it was passed, no frame was lost or doubled."""

    at: datetime
    kind: DrillKind
    fault: str | None = None

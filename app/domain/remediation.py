"""What is done to mend a device, as the journal keeps it, and the breaker that ends trying.

Whether something may be done is `app/policy/remediation.py`'s to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.ids import EncoderId, StreamId


class Remedy(StrEnum):
    RESTART_STREAM = "restart_stream"
    REAPPLY_PROFILE = "reapply_profile"
    CHANGE_INPUT = "change_input"
    SET_AUDIO_INPUT = "set_audio_input"
    UNMUTE = "unmute"
    LEAVE_TRANSFER_MODE = "leave_transfer_mode"
    CHANGE_MEDIUM = "change_medium"
    SYNC_CLOCK = "sync_clock"
    SYNC_CALENDAR = "sync_calendar"
    STOP_RECORDING = "stop_recording"
    REBOOT = "reboot"


class Automation(StrEnum):
    """What is done without a person."""

    OFF = "off"
    DRY_RUN = "dry_run"
    """Everything is decided and written down; no device is told anything."""
    ON = "on"


class Phase(StrEnum):
    INTENDED = "intended"
    """Written down; the command may have gone out or not."""
    SENT = "sent"
    """The command has gone out; its effect is looked for."""
    UNDOING = "undoing"
    DONE = "done"


class Outcome(StrEnum):
    KEPT = "kept"
    """It helped."""
    ROLLED_BACK = "rolled_back"
    """It did not help, and what it changed is as it was."""
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Control ended meanwhile: the device was only looked at afterwards, and nothing was sent again."""
    LEFT_ALONE = "left_alone"
    """A person changed the same thing by hand: what that person wants stays."""
    DRY_RUN = "dry_run"


@dataclass(frozen=True, slots=True)
class RemedyRun:
    """One try. `cause`: the condition that it is for, or a person's wish; `evidence`: what was seen, in words.

    `was` and `wanted`: of a setting that is no secret. `result`: how it went; `effect`: what was so a minute later.
    """

    id: str
    encoder_id: EncoderId
    remedy: Remedy
    cause: str
    evidence: tuple[str, ...]
    command: str
    asked_by: str
    began_at: datetime
    is_disruptive: bool
    phase: Phase = Phase.INTENDED
    is_dry: bool = False
    is_forced: bool = False
    was: str | None = None
    wanted: str | None = None
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    result: str | None = None
    effect: str | None = None

    @property
    def is_over(self) -> bool:
        return self.phase is Phase.DONE

    @property
    def helped(self) -> bool | None:
        """None: not known, or nothing was done."""
        if self.outcome in (Outcome.FAILED, Outcome.ROLLED_BACK):
            return False
        return True if self.outcome is Outcome.KEPT else None


@dataclass(frozen=True, slots=True)
class RemedyBreaker:
    """Nothing more is tried with the device until a person clears it.

    `is_drained`: its streams were asked to leave for good when it opened, and may come back when it is cleared.
    """

    encoder_id: EncoderId
    opened_at: datetime
    reason: str
    is_drained: bool = False
    cleared_at: datetime | None = None
    cleared_by: str | None = None

    @property
    def is_open(self) -> bool:
        return self.cleared_at is None


@dataclass(frozen=True, slots=True)
class Carried:
    """A live stream that a device feeds. `flows`: whether its picture arrives; None: not known."""

    stream_id: StreamId
    is_on_air: bool
    flows: bool | None
    other_flows: bool
    """Another device sends the same stream at this moment."""

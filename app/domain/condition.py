"""Something that is so or is not, as one monitor sees it: the currency between monitors and those who judge.

A monitor tells a condition on the bus when it begins, when it ends, and again at least each `RETOLD_S` while it
lasts, so that a listener that came late knows it too. Whether people are told is the alert board's business, what
lies behind several of them is error analysis' business, what is done about it is remediation's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from app.domain.severity import Severity

RETOLD_S: Final = 30.0
GONE_S: Final = 3 * RETOLD_S
"""A condition that was not told again for so long is over: whoever saw it is gone."""


class SubjectKind(StrEnum):
    ENCODER = "encoder"
    STREAM = "stream"
    GATEWAY = "gateway"
    DESTINATION = "destination"
    CERTIFICATE = "certificate"
    CHANNEL = "channel"
    """A way to tell people: Telegram, e-mail, a webhook."""
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a condition is about: an encoder's or a stream's id, or the name of a certificate, channel or part."""

    kind: SubjectKind
    id: str


class Category(StrEnum):
    """What an alert is about, for those who choose what they want to be told."""

    VIDEO_SIGNAL = "video_signal"
    BITRATE = "bitrate"
    THERMAL = "thermal"
    NTP = "ntp"
    STORAGE = "storage"
    ENCODER_OFFLINE = "encoder_offline"
    STREAM_FAILED = "stream_failed"
    BANDWIDTH = "bandwidth"
    ERROR_RATE = "error_rate"
    INPUT_LOST = "input_lost"
    SILENT_AUDIO = "silent_audio"
    PICTURE = "picture"
    """Black, frozen, jumping timestamps, sound and picture apart."""
    CPU = "cpu"
    MEMORY = "memory"
    CERTIFICATE = "certificate"
    NOTIFIER = "notifier"
    FAILOVER = "failover"
    REMEDIATION = "remediation"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Condition:
    """`name` is stable and snake_case, such as `encoder_hot`; with the subject it says which condition it is.

    `labels` say what it may share with others, so that one cause is found behind many: `host`, `rack`, `region`,
    `encoder`, `gateway`, `destination`, `certificate`, `version`. They never hold text that somebody typed.
    `summary` is one line for people, `value` the measured figure behind it, in the unit that `summary` names.
    """

    name: str
    subject: Subject
    is_active: bool
    severity: Severity
    category: Category
    at: datetime
    summary: str
    labels: tuple[tuple[str, str], ...] = ()
    value: float | None = None

    @property
    def key(self) -> tuple[str, SubjectKind, str]:
        return self.name, self.subject.kind, self.subject.id

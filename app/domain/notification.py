"""What is remembered of telling people: who was told what, what waits to be sent, what must stay unsaid."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from app.domain.alert import Alert, AlertGroup, AlertState
from app.domain.severity import Severity


@dataclass(frozen=True, slots=True)
class Told:
    """The last word of one channel about one alert, and the group it was said in. `severity` None: it is from a
    version that did not write it down."""

    channel: str
    group: str
    state: AlertState
    at: datetime
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """One episode of an alert as the store keeps it. `is_settled`: it is over, and nobody waits to hear of it."""

    alert: Alert
    told: tuple[Told, ...] = ()
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class OutMessage:
    """One message on its way through one channel. `id` stays the same however often it is tried.

    `not_before`: the other side named this time. `fault`: why it could not be sent so far; of a dead letter, why it
    never will be unless somebody asks for it.
    """

    id: str
    channel: str
    group: AlertGroup
    created_at: datetime
    attempts: int = 0
    not_before: datetime | None = None
    fault: str | None = None
    is_dead: bool = False


@dataclass(frozen=True, slots=True)
class Matcher:
    """What one label of an alert must be; one that is not there is "". In `pattern` a `*` stands for any text."""

    label: str
    pattern: str
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """A time of the week by the clocks of `zone` (IANA name). `days`: 0 is Monday; empty: every day.

    `starts` and `ends` are HH:MM; an end that is not after the start is on the next day.
    """

    starts: str
    ends: str
    zone: str
    days: tuple[int, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that all matchers fit are kept from people from `starts_at` until `ends_at`; with a window, within
    that time only while the window is open. `tenant`: other tenants' alerts are not kept quiet, and they do not see
    it; None: it is for everybody's."""

    id: str
    matchers: tuple[Matcher, ...]
    comment: str
    created_by: str
    created_at: datetime
    starts_at: datetime
    ends_at: datetime
    window: Window | None = None
    tenant: str | None = None

"""An incident: everything that one cause brought about, told once. Found by `app/policy/incidents.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.condition import Category, Subject
from app.domain.severity import Severity


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """The part that lies behind it: `label` as in a condition's labels, such as rack, or stream; `value` its id.

    `topic`: what it is about where that concerns this part alone, such as storage; "" for everything else.
    """

    label: str
    value: str
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A known pattern that fits what was seen at `scope`.

    `remedy` names what could be done without a person, None: one has to look. `evidence`: what of it was seen.
    """

    pattern_id: str
    scope: Cause
    severity: Severity
    category: Category
    cause: str
    impact: str
    remedy: str | None
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sufferer:
    """One that has something in an incident: `conditions` by name, the worst severity, since when."""

    subject: Subject
    conditions: tuple[str, ...]
    severity: Severity
    since: datetime
    is_active: bool


@dataclass(frozen=True, slots=True)
class Incident:
    """`signs` show the cause itself, `children` follow from it; both listed up to a bound, counted in whole.

    `root`: the condition that came first or weighs most, as its name and subject. `reasons`: why this cause, in
    words. `viewers` of the streams in it, when they were last known. `merged_into`: the incident that it turned out
    to be a part of; `split_from`: the one it was taken for a part of.
    """

    id: str
    cause: Cause
    severity: Severity
    title: str
    root: tuple[str, Subject]
    reasons: tuple[str, ...]
    diagnoses: tuple[Diagnosis, ...]
    signs: tuple[Sufferer, ...]
    children: tuple[Sufferer, ...]
    total_signs: int
    total_children: int
    streams: int
    viewers: int | None
    started_at: datetime
    ended_at: datetime | None = None
    merged_into: str | None = None
    split_from: str | None = None

    @property
    def remedy(self) -> str | None:
        return next((found.remedy for found in self.diagnoses if found.remedy is not None), None)

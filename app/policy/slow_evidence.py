"""When a worker that still works is to be left: falling behind, a silent node, heat, health as others judge it.

Pure: readings and `now` go in, a wish to leave comes out, or None. What is done about it is the failover machine's
business, and fast losses are the gateway's. A value that is not known is no evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from app.domain.failover import DecidedBy
from app.policy.failover_words import Leave

SPEED_LEAST: Final = 0.97
"""Encoded seconds per second. Below it for long, the replay ring runs over in the end."""
SLOW_FOR_S: Final = 10.0
RELIEVE: Final = "relieve its encoder of standbys"
SPACING_S: Final = 10.0
"""Between two streams that leave one encoder: each that goes cools it, or gives the others room. For heat, between
two of the whole fleet: each heats the encoder that it goes to."""
ORDERED_SPACING_S: Final = 0.5
"""The same where an operator wants all of them gone: every switch costs both ends a moment of work."""


@dataclass(frozen=True, slots=True)
class Symptoms:
    """Of the active worker and its encoder now. `silent`: why its node is not heard, though its picture comes."""

    heat: Leave | None = None
    """What thermal control wishes."""
    speed: float | None = None
    source_flows: bool = False
    draining: str | None = None
    stopped: str | None = None
    silent: str | None = None
    content: str | None = None
    """What it makes of a source that is well."""
    ailing: Leave | None = None
    """Its encoder is sick or gets worse, and the backup's is better."""


@dataclass(frozen=True, slots=True)
class Since:
    """When each symptom began, in monotonic seconds; None: it is not there."""

    generation: int = 0
    slow: float | None = None


def note(since: Since, symptoms: Symptoms, *, generation: int, now: float) -> Since:
    """Another worker begins without a history."""
    if since.generation != generation:
        since = Since(generation)
    speed = symptoms.speed
    is_slow = speed is not None and speed < SPEED_LEAST and symptoms.source_flows
    return replace(since, slow=_from(since.slow, is_slow, now))


def judge(since: Since, symptoms: Symptoms, now: float) -> Leave | None:
    """The strongest reason first."""
    if symptoms.stopped is not None:
        return Leave(symptoms.stopped, DecidedBy.OPERATOR, must=True)
    if symptoms.heat is not None and symptoms.heat.must:
        return symptoms.heat
    if symptoms.draining is not None:
        return Leave(symptoms.draining, DecidedBy.OPERATOR)
    if symptoms.heat is not None:
        return symptoms.heat
    if symptoms.content is not None:
        return Leave(symptoms.content)
    if since.slow is not None and now - since.slow >= SLOW_FOR_S and symptoms.speed is not None:
        cause = f"falls behind: speed {symptoms.speed:.2f} for {SLOW_FOR_S:g} s"
        return Leave(cause, remedy=RELIEVE)
    if symptoms.silent is not None:
        return Leave(symptoms.silent)
    return symptoms.ailing


def spacing_s(wish: Leave) -> float:
    """How long the encoder's other streams wait after this one."""
    return ORDERED_SPACING_S if wish.must or wish.by is DecidedBy.OPERATOR else SPACING_S


def _from(began: float | None, is_there: bool, now: float) -> float | None:
    if not is_there:
        return None
    return now if began is None else began

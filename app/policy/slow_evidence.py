"""When a worker that still works is to be left: heat, falling behind, a node that fell silent.

Pure: readings and `now` go in, a wish to leave comes out, or None. What is done about it is the failover machine's
business, and fast losses are the gateway's. A value that is not known is no evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from app.domain.failover import DecidedBy
from app.policy.failover_words import Leave
from app.policy.placement import TEMPERATURE_HOT_C, TEMPERATURE_STOP_C

TEMPERATURE_CRITICAL_C: Final = 90.0
"""Between hot (takes nothing new) and here what runs stays: moving it heats another one. At the hard stop devices
protect themselves: the stream leaves, with a standby or without."""
HOT_FOR_S: Final = 5.0
SPEED_LEAST: Final = 0.97
"""Encoded seconds per second. Below it for long, the replay ring runs over in the end."""
SLOW_FOR_S: Final = 10.0
RELIEVE: Final = "relieve its encoder of standbys"
SPACING_S: Final = 10.0
"""Between two streams that leave one encoder: each that goes cools it, or gives the others room."""
ORDERED_SPACING_S: Final = 0.5
"""The same where an operator wants all of them gone: every switch costs both ends a moment of work."""


@dataclass(frozen=True, slots=True)
class Symptoms:
    """Of the active worker and its encoder now. `silent`: why its node is not heard, though its picture comes."""

    temperature_c: float | None = None
    speed: float | None = None
    source_flows: bool = False
    draining: str | None = None
    stopped: str | None = None
    silent: str | None = None
    content: str | None = None
    """What it makes of a source that is well."""


@dataclass(frozen=True, slots=True)
class Since:
    """When each symptom began, in monotonic seconds; None: it is not there."""

    generation: int = 0
    hot: float | None = None
    slow: float | None = None


def note(since: Since, symptoms: Symptoms, *, generation: int, now: float) -> Since:
    """Another worker begins without a history."""
    if since.generation != generation:
        since = Since(generation)
    heat, speed = symptoms.temperature_c, symptoms.speed
    is_hot = heat is not None and heat >= TEMPERATURE_CRITICAL_C
    is_slow = speed is not None and speed < SPEED_LEAST and symptoms.source_flows
    return replace(
        since,
        hot=_from(since.hot, is_hot, now),
        slow=_from(since.slow, is_slow, now),
    )


def judge(since: Since, symptoms: Symptoms, now: float) -> Leave | None:
    """The strongest reason first."""
    if symptoms.stopped is not None:
        return Leave(symptoms.stopped, DecidedBy.OPERATOR, must=True)
    heat = symptoms.temperature_c
    if heat is not None and heat >= TEMPERATURE_STOP_C:
        return Leave(f"{heat:.0f} °C, above {TEMPERATURE_STOP_C:g} °C", must=True)
    if symptoms.draining is not None:
        return Leave(symptoms.draining, DecidedBy.OPERATOR)
    if since.hot is not None and now - since.hot >= HOT_FOR_S and heat is not None:
        return Leave(f"{heat:.0f} °C, above {TEMPERATURE_CRITICAL_C:g} °C for {HOT_FOR_S:g} s")
    if symptoms.content is not None:
        return Leave(symptoms.content)
    if since.slow is not None and now - since.slow >= SLOW_FOR_S and symptoms.speed is not None:
        cause = f"falls behind: speed {symptoms.speed:.2f} for {SLOW_FOR_S:g} s"
        return Leave(cause, remedy=RELIEVE)
    if symptoms.silent is not None:
        return Leave(symptoms.silent)
    return None


def judge_standby(temperature_c: float | None) -> Leave | None:
    """Whether the encoder of a standby would be given nothing new now. `must`: no standby is better than this one.

    Nobody asks when the active worker is lost: a standby that is not to take over must be gone before.
    """
    if temperature_c is None or temperature_c < TEMPERATURE_HOT_C:
        return None
    return Leave(f"its encoder is hot: {temperature_c:.0f} °C", must=temperature_c >= TEMPERATURE_STOP_C)


def spacing_s(wish: Leave) -> float:
    """How long the encoder's other streams wait after this one."""
    return ORDERED_SPACING_S if wish.must or wish.by is DecidedBy.OPERATOR else SPACING_S


def _from(began: float | None, is_there: bool, now: float) -> float | None:
    if not is_there:
        return None
    return now if began is None else began

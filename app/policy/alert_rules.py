"""When a condition becomes an alert and when the alert is over. Pure; nobody is told from here.

A condition must last for its hold time before people hear of it, and be over for its clear time before the alert
is. One that comes and goes is one alert that says so, once it has done so for the hold time as well. What is
grouped, silenced and sent is the business of `alert_grouping.py` and `silences.py`, what lies behind what that of
`alert_causes.py`.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from app.domain.alert import Alert, AlertState
from app.domain.condition import GONE_S, Condition, SubjectKind
from app.domain.severity import Severity
from app.policy.alert_text import clean

MAX_WATCHED: Final = 20_000
MAX_EXTERNAL: Final = 5_000
"""Of those, handed in by others: they leave room for our own."""
MAX_SUMMARY: Final = 500
FLAPS: Final = 4
"""So often within FLAP_WINDOW_S it begins, then it flaps."""
FLAP_WINDOW_S: Final = 1_800.0
FLAP_CLEAR_S: Final = 600.0
"""What flaps is over only after a calm that is longer than the time between two of its beginnings."""
UNSEEN: Final = "nobody reports it any more"
EXTERNAL_GONE_S: Final = 24 * 3600.0
"""An Alertmanager says again what still fires every few hours (its default is four)."""


@dataclass(frozen=True, slots=True)
class Timing:
    hold_s: float
    clear_s: float


AT_ONCE: Final = Timing(0.0, 30.0)
"""Monitors that judge over a window of their own have waited already; the clear time spans a pause."""
TIMINGS: Final[Mapping[str, Timing]] = {
    # A load that passes by itself needs nobody.
    "cpu_high": Timing(60.0, 60.0),
    "memory_high": Timing(60.0, 60.0),
    # Fills slowly; one sample at the edge says nothing.
    "storage_high": Timing(30.0, 120.0),
    # A new backup stands within seconds as a rule.
    "stream_unprotected": Timing(30.0, 10.0),
    # A publisher's hiccup, or a failover that is on its way.
    "stream_degraded": Timing(5.0, 15.0),
    # A push is redialled by itself.
    "destination_refused": Timing(15.0, 30.0),
    # The picture of one probe that timed out is no outage.
    "store_away": Timing(5.0, 15.0),
    # Something that happened, not something that lasts: told when it happens, over when its teller says so.
    "stream_failed_over": Timing(0.0, 0.0),
    # A server that restarts is back by then.
    "notifier_failed": Timing(20.0, 30.0),
    # Back is back: who was offline is watched by the slow start of the balancer.
    "encoder_offline": Timing(0.0, 15.0),
}


def timing_of(name: str) -> Timing:
    return TIMINGS.get(name, AT_ONCE)


def fingerprint_of(condition: Condition) -> str:
    """16 hex digits, the same for the same name, subject and labels, at every start and on every control."""
    parts = [condition.name, condition.subject.kind.value, condition.subject.id]
    parts += [text for label in sorted(condition.labels) for text in label]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


Key = tuple[str, SubjectKind, str]


def _external(fingerprint: str) -> Key:
    """An Alertmanager tells two alerts of one name and subject apart by other labels."""
    return "", SubjectKind.SYSTEM, fingerprint


@dataclass(slots=True)
class _Watched:
    since: float
    heard: float
    ended: float | None = None
    condition: Condition | None = None
    """As last told; None: restored, and not told since."""
    alert: Alert | None = None
    begun: deque[float] = field(default_factory=lambda: deque(maxlen=FLAPS))
    flaps_since: float | None = None

    def begin(self, now: float) -> None:
        self.begun.append(now)
        if not self.flaps(now):
            self.flaps_since = None
        elif self.flaps_since is None:
            self.flaps_since = self.begun[0]

    def has_flapped_for(self, hold_s: float, now: float) -> bool:
        """Up to when it was seen last: a calm is no flapping."""
        if self.flaps_since is None or not self.flaps(now):
            return False
        return (now if self.ended is None else self.ended) - self.flaps_since >= hold_s

    def flaps(self, now: float) -> bool:
        return len(self.begun) == FLAPS and now - self.begun[0] <= FLAP_WINDOW_S


class AlertBook:
    """`feed` and `tick` return the alerts that began, changed in what people see, or ended, as they are now.

    `now`: monotonic seconds, for every duration. `at`: wall time, only written down.
    """

    def __init__(self) -> None:
        self._watched: dict[Key, _Watched] = {}
        self._externals: set[Key] = set()
        self._keys: dict[str, Key] = {}
        """Of the firing ones, by fingerprint."""
        self.refused = 0
        """Conditions that found no room."""

    def __iter__(self) -> Iterator[Alert]:
        """All that fire, resolved ones not."""
        return (one.alert for one in tuple(self._watched.values()) if one.alert is not None)

    def find(self, fingerprint: str) -> Alert | None:
        key = self._keys.get(fingerprint)
        return None if key is None else self._watched[key].alert

    def adopt(self, alert: Alert, now: float) -> None:
        """One that fired when the process ended: whoever sees its condition will say so again, or it is over."""
        is_external = alert.is_external
        key = _external(alert.fingerprint) if is_external else (alert.name, alert.subject.kind, alert.subject.id)
        self._watched[key] = _Watched(since=now, heard=now, alert=alert)
        if is_external:
            self._externals.add(key)
        self._keys[alert.fingerprint] = key

    def feed(
        self, condition: Condition, now: float, at: datetime, *, is_external: bool = False
    ) -> tuple[Alert, ...]:
        key = _external(fingerprint_of(condition)) if is_external else condition.key
        watched = self._watched.get(key)
        if watched is None:
            if not condition.is_active:
                return ()
            if len(self._watched) >= MAX_WATCHED or (is_external and len(self._externals) >= MAX_EXTERNAL):
                self.refused += 1
                return ()
            if is_external:
                self._externals.add(key)
            watched = self._watched[key] = _Watched(since=now, heard=now)
            watched.begin(now)
        elif condition.is_active and watched.ended is not None:
            watched.begin(now)
            if watched.alert is None:
                watched.since = now
        watched.heard = now
        watched.condition = _kept_short(condition)
        watched.ended = None if condition.is_active else (now if watched.ended is None else watched.ended)
        return self._judge(key, watched, now, at, is_external)

    def tick(self, now: float, at: datetime) -> tuple[Alert, ...]:
        changed: list[Alert] = []
        for key, watched in tuple(self._watched.items()):
            is_external = watched.alert is not None and watched.alert.is_external
            gone_s = EXTERNAL_GONE_S if is_external else GONE_S
            if watched.ended is None and now - watched.heard >= gone_s:
                watched.ended = watched.heard
            changed += self._judge(key, watched, now, at, is_external)
        return tuple(changed)

    def change(self, fingerprint: str, **what: object) -> Alert | None:
        """The alert with other `acknowledged_by`, `silenced_by` or `cause_fingerprint`; None: it does not fire."""
        alert = self.find(fingerprint)
        if alert is None:
            return None
        changed: Alert = replace(alert, **what)  # type: ignore[arg-type]  # named by the callers in one room
        self._watched[self._keys[fingerprint]].alert = changed
        return changed

    def _judge(self, key: Key, watched: _Watched, now: float, at: datetime, is_external: bool) -> tuple[Alert, ...]:
        timing = Timing(0.0, 0.0) if is_external else timing_of(key[0])
        flaps = watched.flaps(now)
        if watched.ended is not None:
            clear_s = max(timing.clear_s, FLAP_CLEAR_S) if flaps else timing.clear_s
            if now - watched.ended >= clear_s or (watched.alert is None and not flaps):
                return self._end(key, watched, now, at, keeps_count=bool(watched.begun) and not is_external)
            if watched.alert is None and watched.has_flapped_for(timing.hold_s, now):
                return self._fire(key, watched, at, flaps, is_external)
            return ()
        if watched.alert is None:
            if now - watched.since >= timing.hold_s or watched.has_flapped_for(timing.hold_s, now):
                return self._fire(key, watched, at, flaps, is_external)
            return ()
        return self._update(watched, at, flaps)

    def _fire(self, key: Key, watched: _Watched, at: datetime, flaps: bool, is_external: bool) -> tuple[Alert, ...]:
        condition = watched.condition
        assert condition is not None, "only a condition that was told can fire"
        watched.alert = Alert(
            fingerprint=fingerprint_of(condition),
            name=condition.name,
            state=AlertState.FIRING,
            severity=condition.severity,
            category=condition.category,
            subject=condition.subject,
            summary=condition.summary,
            labels=condition.labels,
            started_at=at,
            updated_at=at,
            value=condition.value,
            is_flapping=flaps,
            is_external=is_external,
        )
        self._keys[watched.alert.fingerprint] = key
        return (watched.alert,)

    def _update(self, watched: _Watched, at: datetime, flaps: bool) -> tuple[Alert, ...]:
        """A new figure in the summary is no change that anybody must be told; it is taken over silently."""
        alert, condition = watched.alert, watched.condition
        if alert is None or condition is None:
            return ()
        severity = max(alert.severity, condition.severity, key=_SEVERITIES.index)
        is_changed = severity is not alert.severity or flaps is not alert.is_flapping
        if not is_changed and condition.summary == alert.summary and condition.value == alert.value:
            return ()
        watched.alert = replace(
            alert,
            severity=severity,
            summary=condition.summary,
            value=condition.value,
            updated_at=at,
            is_flapping=flaps,
        )
        return (watched.alert,) if is_changed else ()

    def _end(
        self, key: Key, watched: _Watched, now: float, at: datetime, *, keeps_count: bool
    ) -> tuple[Alert, ...]:
        alert, watched.alert = watched.alert, None
        # How often it began is remembered for as long as that may make it flap.
        if not keeps_count or now - watched.begun[-1] > FLAP_WINDOW_S:
            del self._watched[key]
            self._externals.discard(key)
        if alert is None:
            return ()
        self._keys.pop(alert.fingerprint, None)
        # Whoever saw it is gone; that it is over is not known.
        is_unseen = watched.condition is None or watched.condition.is_active
        summary = f"{UNSEEN}: {alert.summary}" if is_unseen else alert.summary
        ended = replace(alert, state=AlertState.RESOLVED, summary=summary, ended_at=at, updated_at=at)
        return (ended,)


def _kept_short(condition: Condition) -> Condition:
    """Summaries quote devices, which may say anything, at any length: not all of it can be stored or read."""
    text = condition.summary
    if text.isprintable() and len(text) <= MAX_SUMMARY:
        return condition
    return replace(condition, summary=clean(text, MAX_SUMMARY))


_SEVERITIES: Final = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)

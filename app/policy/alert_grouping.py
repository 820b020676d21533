"""When one channel says what about which alerts: one message for each cause, not one for each alert. Pure.

Alerts of one cause are a group. A group waits a little so that what comes together goes together, then speaks at
most once a minute, and again every few hours while it lasts; something critical that is new waits for nothing of
that, unless it comes in a storm. What follows from a cause that fires never makes the
group speak; it is listed beside the cause. Many groups at once become one digest. Nothing is dropped: what may not
be said now, for a limit, a silence or a channel that is stuck, is said when it may, or with its end. How messages
get out is `app/monitoring/outbox.py`'s business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.alert import Alert, AlertState
from app.domain.condition import SubjectKind
from app.domain.severity import Severity
from app.policy.alert_causes import group_key
from app.policy.alert_groups import (
    BURST_S,
    GROUP_INTERVAL_S,
    GROUP_WAIT_S,
    RANKS,
    Entry,
    Group,
    in_order,
    is_urgent,
)

CALM_WAIT_S: Final = 60.0
"""A group that ends piece by piece says so after so long without another end."""
MAX_CLEARING_S: Final = 300.0
REPEAT_S: Final = 4 * 3600.0
BURST: Final = 2
LIMITS: Final = {Severity.CRITICAL: (5, 300.0), Severity.WARNING: (3, 600.0), Severity.INFO: (2, 1_800.0)}
"""News of one encoder: messages, and in how many seconds. Ends are not news."""
MAX_LIMITED: Final = 10_000

Quiet = Callable[[Alert], bool]


@dataclass(frozen=True, slots=True)
class Flush:
    """One message to be: `alerts` in the order in which people should read them, news first, of those the cause.

    `groups`: the group of each, by fingerprint; a digest has several.
    """

    key: str
    alerts: tuple[Alert, ...]
    groups: Mapping[str, str]

    @property
    def severity(self) -> Severity:
        return max((alert.severity for alert in self.alerts), key=RANKS.index)


class Grouper:
    """Of one channel. `least`: what is less severe is not for it. `only_channels`: somebody else tells people, and
    this one only that he cannot."""

    def __init__(self, channel: str, *, least: Severity = Severity.INFO, only_channels: bool = False) -> None:
        self._channel = channel
        self._only_channels = only_channels
        self._least = least
        self._groups: dict[str, Group] = {}
        self._group_of: dict[str, str] = {}
        self._news: dict[tuple[str, Severity], deque[float]] = {}
        self._spoke: deque[float] = deque(maxlen=BURST)

    def feed(self, alert: Alert, root: Alert | None, now: float) -> None:
        """`root`: the alert at the bottom of it, where another one is; it fires."""
        if not self._is_for_us(alert):
            return
        key = self._group_of.get(alert.fingerprint)
        if key is None:
            if alert.state is AlertState.RESOLVED:
                return
            key = self._group_of[alert.fingerprint] = group_key(root or alert)
        group = self._groups.setdefault(key, Group())
        entry = group.entries.get(alert.fingerprint)
        was_waiting = entry is not None and entry.is_unsaid
        if entry is None:
            entry = group.entries[alert.fingerprint] = Entry(alert)
        if alert.state is AlertState.RESOLVED and entry.alert.state is AlertState.FIRING:
            entry.ended = now
        entry.alert = alert
        if entry.is_over:
            self._forget(key, alert.fingerprint)
        elif entry.is_unsaid:
            if not was_waiting and is_urgent(alert):
                group.urgent.append(now)
            if group.unsaid_since is None:
                group.unsaid_since = now

    def restore(
        self,
        alert: Alert,
        told: AlertState | None,
        group: str | None,
        *,
        said: float | None,
        now: float,
        told_as: Severity | None = None,
    ) -> None:
        """What was said before a restart, `said` on today's clock; None: nothing yet."""
        if not self._is_for_us(alert) or told is alert.state is AlertState.RESOLVED:
            return
        key = self._group_of[alert.fingerprint] = group or group_key(alert)
        kept = self._groups.setdefault(key, Group())
        is_late = alert.state is AlertState.RESOLVED and told is None
        entry = kept.entries[alert.fingerprint] = Entry(alert, told, told_as, was_due=is_late, ended=now)
        if said is not None and (kept.sent is None or said > kept.sent):
            kept.spoke.append(said)
        if entry.is_unsaid and kept.unsaid_since is None:
            kept.unsaid_since = now

    def waits_for(self, fingerprint: str) -> bool:
        """Whether something about it is still to be said."""
        entry = self._entry(fingerprint)
        return entry is not None and entry.is_unsaid

    def _entry(self, fingerprint: str) -> Entry | None:
        key = self._group_of.get(fingerprint)
        return None if key is None else self._groups[key].entries.get(fingerprint)

    def tick(self, now: float, *, quiet: Quiet, is_blocked: bool = False) -> tuple[Flush, ...]:
        """What is to be said now. `quiet`: whether an alert is silenced at this moment. `is_blocked`: the channel
        takes nothing now."""
        due = [(key, group) for key, group in self._groups.items() if self._is_due(group, now, quiet)]
        if is_blocked:
            for _, group in due:
                for entry in group.entries.values():
                    entry.was_due = entry.was_due or self._triggers(entry, now, quiet)
            return ()
        self._drop_rested(now)
        due = [(key, group) for key, group in due if self._has_room(group, now, quiet)]
        if not due:
            return ()
        if len(self._spoke) == BURST and now - self._spoke[0] < BURST_S:
            return ()
        room = BURST - sum(now - at < BURST_S for at in self._spoke)
        if len(due) > max(1, room):
            return (self._digest(due, now, quiet),)
        return tuple(self._say(key, [(key, group)], now, quiet) for key, group in due)

    def _is_for_us(self, alert: Alert) -> bool:
        if alert.is_external:
            return False
        is_of_channel = alert.subject.kind is SubjectKind.CHANNEL
        if self._only_channels and not is_of_channel:
            return False
        if is_of_channel and alert.subject.id == self._channel:
            # Nobody hears from a broken channel that it is broken.
            return False
        return RANKS.index(alert.severity) >= RANKS.index(self._least)

    def _is_due(self, group: Group, now: float, quiet: Quiet) -> bool:
        triggers = [entry for entry in group.entries.values() if self._triggers(entry, now, quiet)]
        if not triggers:
            return self._is_to_be_repeated(group, now, quiet)
        if group.sent is None:
            is_critical = any(entry.alert.severity is Severity.CRITICAL for entry in triggers)
            since = now if group.unsaid_since is None else group.unsaid_since
            return is_critical or now - since >= GROUP_WAIT_S
        if any(self._is_new_cause(group, entry) for entry in triggers):
            return True
        if any(is_urgent(entry.alert) for entry in triggers) and group.may_speak_up(now):
            return True
        if _is_clearing(group, triggers, now):
            return False
        return now - group.sent >= GROUP_INTERVAL_S

    def _triggers(self, entry: Entry, now: float, quiet: Quiet) -> bool:
        alert = entry.alert
        if not entry.is_unsaid or (alert.acknowledged_by is not None and alert.state is AlertState.FIRING):
            return False
        cause = self._entry(alert.cause_fingerprint or "")
        if cause is not None and (cause.alert.state is AlertState.FIRING or now - cause.ended < CALM_WAIT_S):
            # What follows from a cause ends a little after it.
            return False
        return not quiet(alert)

    @staticmethod
    def _is_new_cause(group: Group, entry: Entry) -> bool:
        """People were told of what follows from it before it was known: they are put right at once."""
        if entry.told is AlertState.FIRING or entry.alert.state is AlertState.RESOLVED:
            return False
        name = entry.alert.fingerprint
        return any(other.alert.cause_fingerprint == name and other.told for other in group.entries.values())

    @staticmethod
    def _is_to_be_repeated(group: Group, now: float, quiet: Quiet) -> bool:
        if group.sent is None or now - group.sent < REPEAT_S:
            return False
        return any(
            entry.alert.state is AlertState.FIRING
            and entry.alert.acknowledged_by is None
            and not quiet(entry.alert)
            for entry in group.entries.values()
        )

    def _has_room(self, group: Group, now: float, quiet: Quiet) -> bool:
        """Whether the limit of the encoder that the group is about allows one more message of news."""
        subject = self._limited(group, now, quiet)
        if subject is None:
            return True
        count, per_s = LIMITS[subject[1]]
        times = self._news.get(subject)
        is_free = times is None or len(times) < count or now - times[0] >= per_s
        if not is_free:
            for entry in group.entries.values():
                entry.was_due = entry.was_due or self._triggers(entry, now, quiet)
        return is_free

    def _limited(self, group: Group, now: float, quiet: Quiet) -> tuple[str, Severity] | None:
        """The encoder and severity that this group's next message counts for; None: no news, or of no encoder."""
        news = [
            entry.alert
            for entry in group.entries.values()
            if entry.alert.state is AlertState.FIRING and self._triggers(entry, now, quiet)
        ]
        if not news:
            return None
        encoders = {_encoder_of(alert) for alert in news}
        encoder = encoders.pop()
        severity = max((alert.severity for alert in news), key=RANKS.index)
        return None if encoder is None or encoders else (encoder, severity)

    def _digest(self, due: list[tuple[str, Group]], now: float, quiet: Quiet) -> Flush:
        return self._say("digest", due, now, quiet)

    def _say(self, key: str, groups: list[tuple[str, Group]], now: float, quiet: Quiet) -> Flush:
        news: list[Alert] = []
        known: list[Alert] = []
        group_of: dict[str, str] = {}
        for name, group in groups:
            self._count(self._limited(group, now, quiet), now)
            for fingerprint, entry in tuple(group.entries.items()):
                if quiet(entry.alert):
                    continue
                # Who reads only the first line reads what made it speak.
                (news if self._triggers(entry, now, quiet) else known).append(entry.alert)
                group_of[fingerprint] = name
                entry.told, entry.told_as, entry.was_due = entry.alert.state, entry.alert.severity, False
                if entry.is_over:
                    self._forget(name, fingerprint)
            group.spoke.append(now)
            group.unsaid_since = None
        self._spoke.append(now)
        return Flush(key, (*in_order(news), *in_order(known)), group_of)

    def _count(self, subject: tuple[str, Severity] | None, now: float) -> None:
        if subject is None:
            return
        times = self._news.setdefault(subject, deque(maxlen=LIMITS[subject[1]][0]))
        times.append(now)
        if len(self._news) > MAX_LIMITED:
            self._news.pop(next(iter(self._news)))

    def _forget(self, key: str, fingerprint: str) -> None:
        del self._groups[key].entries[fingerprint]
        self._group_of.pop(fingerprint, None)

    def _drop_rested(self, now: float) -> None:
        """A group that is empty is kept for its interval: who comes back soon is no new group."""
        for key, group in tuple(self._groups.items()):
            if not group.entries and (group.sent is None or now - group.sent >= GROUP_INTERVAL_S):
                del self._groups[key]


def _is_clearing(group: Group, triggers: Sequence[Entry], now: float) -> bool:
    """Only ends are to be said, not everything has ended, and more ends may follow soon."""
    if any(entry.alert.state is AlertState.FIRING for entry in triggers):
        return False
    if all(entry.alert.state is AlertState.RESOLVED for entry in group.entries.values()):
        return False
    ends = [entry.ended for entry in triggers]
    return now - max(ends) < CALM_WAIT_S and now - min(ends) < MAX_CLEARING_S


def _encoder_of(alert: Alert) -> str | None:
    if alert.subject.kind is SubjectKind.ENCODER:
        return alert.subject.id
    return dict(alert.labels).get("encoder")

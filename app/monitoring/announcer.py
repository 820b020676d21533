"""Turns what the groupers of all channels want to say into messages for the outbox. Holds no rule of its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.domain.alert import Alert, AlertGroup
from app.domain.notification import KeptAlert, OutMessage, Told
from app.domain.severity import Severity
from app.policy.alert_grouping import REPEAT_S, Flush, Grouper, Quiet
from app.policy.alert_text import MAX_LISTED, title

MAX_CARRIED: Final = 5 * MAX_LISTED
"""Alerts that one message carries for machines; people see fewer, and the count of all."""


@dataclass(frozen=True, slots=True)
class Channel:
    """`only_channels`: an Alertmanager tells people; this one only that it cannot be reached."""

    name: str
    least: Severity
    only_channels: bool = False


@dataclass(frozen=True, slots=True)
class Saying:
    """A message, and what of it is to be remembered of each alert, by fingerprint."""

    message: OutMessage
    told: dict[str, Told]


class Announcer:
    """`is_full` says whether a channel's outbox takes no more."""

    def __init__(self, *, channels: Sequence[Channel], is_full: Callable[[str], bool]) -> None:
        self._is_full = is_full
        self._groupers = {
            one.name: Grouper(one.name, least=one.least, only_channels=one.only_channels) for one in channels
        }

    def restore(self, kept: KeptAlert, now: float, at: datetime) -> None:
        told = {word.channel: word for word in kept.told}
        for name, grouper in self._groupers.items():
            word = told.get(name)
            if word is None:
                grouper.restore(kept.alert, None, None, said=None, now=now)
                continue
            # A wall clock that jumped meanwhile must neither bring a burst nor silence.
            ago_s = min(max(0.0, (at - word.at).total_seconds()), REPEAT_S)
            grouper.restore(kept.alert, word.state, word.group, said=now - ago_s, now=now, told_as=word.severity)

    def feed(self, alert: Alert, root: Alert | None, now: float) -> None:
        for grouper in self._groupers.values():
            grouper.feed(alert, root, now)

    def waits_for(self, fingerprint: str) -> bool:
        return any(grouper.waits_for(fingerprint) for grouper in self._groupers.values())

    def due(self, now: float, at: datetime, quiet: Quiet) -> list[Saying]:
        return [
            _saying(name, flush, at)
            for name, grouper in self._groupers.items()
            for flush in grouper.tick(now, quiet=quiet, is_blocked=self._is_full(name))
        ]


def _saying(channel: str, flush: Flush, at: datetime) -> Saying:
    total = len(flush.alerts)
    group = AlertGroup(
        id=f"msg_{secrets.token_hex(12)}",
        title=title(flush.alerts, total),
        severity=flush.severity,
        alerts=flush.alerts[:MAX_CARRIED],
        total=total,
        at=at,
    )
    told = {
        alert.fingerprint: Told(channel, flush.groups[alert.fingerprint], alert.state, at, alert.severity)
        for alert in flush.alerts
    }
    return Saying(OutMessage(id=group.id, channel=channel, group=group, created_at=at), told)

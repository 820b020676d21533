"""Where alerts are asked for: who may see which, how each channel is, tests, and letters that never got out."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.access import Principal, Scope
from app.domain.alert import Alert, AlertGroup, AlertState
from app.domain.condition import Category, Subject, SubjectKind
from app.domain.errors import ManagerError, NotFound
from app.domain.notification import Matcher, OutMessage, Silence, Window
from app.domain.severity import Severity
from app.monitoring.alert_board import AlertBoard
from app.monitoring.alert_feed import AlertFeed
from app.monitoring.alert_sender import AlertSender
from app.monitoring.outbox import Outbox
from app.policy.external_alerts import condition_of
from app.runtime.clock import utc_now

TEST_S = 60.0


@dataclass(frozen=True, slots=True)
class ChannelState:
    """`fault`: why it fails now. `waiting`: messages not sent yet. `sent` and `failed`: since the start."""

    name: str
    waiting: int
    fault: str | None
    sent: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class External:
    """One alert as an Alertmanager hands it in."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    is_firing: bool


class AlertDesk:
    def __init__(
        self, *, board: AlertBoard, outbox: Outbox, senders: Sequence[AlertSender], feeds: Sequence[AlertFeed]
    ) -> None:
        self._board = board
        self._outbox = outbox
        self._senders = tuple(senders)
        self._feeds = tuple(feeds)

    def active(self, who: Principal) -> tuple[Alert, ...]:
        return tuple(alert for alert in self._board.active() if may_see(alert, who))

    async def history(self, who: Principal, *, limit: int, before: datetime | None) -> tuple[Alert, ...]:
        """Newest first; of the last `limit` of all, those that `who` may see. Raises Unavailable."""
        found = await self._board.history(limit=limit, before=before)
        return tuple(alert for alert in found if may_see(alert, who))

    def acknowledge(self, fingerprint: str, who: Principal) -> Alert:
        """Raises NotFound."""
        if not may_see(self._board.find(fingerprint), who):
            fingerprint = ""
        return self._board.acknowledge(fingerprint, who.key_id)

    def channels(self) -> tuple[ChannelState, ...]:
        built_in = tuple(
            ChannelState(one.name, self._outbox.count(one.name), one.fault, one.sent, one.failed)
            for one in self._senders
        )
        feeds = (ChannelState(one.name, one.waiting, one.fault, one.sent, one.failed) for one in self._feeds)
        return (*built_in, *feeds)

    async def test(self) -> tuple[ChannelState, ...]:
        """Send a test through each channel now; `fault` says how it went."""
        found: list[ChannelState] = []
        at = utc_now()
        for sender in self._senders:
            try:
                await sender.try_now(_test_group(sender.name, at))
                fault = None
            except ManagerError as error:
                fault = error.detail
            found.append(ChannelState(sender.name, self._outbox.count(sender.name), fault))
        for feed in self._feeds:
            fault = await feed.try_now(_test_alert(feed.name, at), ends_at=at + timedelta(seconds=TEST_S))
            found.append(ChannelState(feed.name, feed.waiting, fault))
        return tuple(found)

    def silences(self, who: Principal) -> tuple[Silence, ...]:
        return tuple(one for one in self._board.silences() if _may_handle(one, who))

    async def silence(
        self,
        who: Principal,
        *,
        matchers: tuple[Matcher, ...],
        comment: str,
        starts_at: datetime | None,
        ends_at: datetime,
        window: Window | None,
    ) -> Silence:
        """`starts_at` None: now. It hides only what `who` sees. Raises InvalidRequest, Conflict, Unavailable."""
        now = utc_now()
        silence = Silence(
            id=f"sil_{secrets.token_hex(6)}",
            matchers=matchers,
            comment=comment,
            created_by=who.key_id,
            created_at=now,
            starts_at=starts_at or now,
            ends_at=ends_at,
            window=window,
            tenant=None if who.may(Scope.ADMIN) else who.tenant,
        )
        await self._board.silence(silence)
        return silence

    async def unsilence(self, silence_id: str, who: Principal) -> None:
        """Raises NotFound, Unavailable."""
        if not any(one.id == silence_id for one in self.silences(who)):
            raise NotFound("no such silence")
        await self._board.unsilence(silence_id)

    async def dead_letters(self, who: Principal, *, limit: int) -> tuple[OutMessage, ...]:
        """Of the last `limit` of all, those that tell only what `who` may see. Raises Unavailable."""
        return tuple(one for one in await self._outbox.dead(limit=limit) if _may_read(one, who))

    async def revive(self, message_id: str, who: Principal) -> OutMessage:
        """Raises NotFound, Unavailable."""
        return await self._outbox.revive(message_id, is_allowed=lambda letter: _may_read(letter, who))

    def hand_in(self, alerts: Sequence[External]) -> int:
        """How many were taken: our own, which only come back, are not."""
        at = utc_now()
        found = [condition_of(one.labels, one.annotations, is_firing=one.is_firing, at=at) for one in alerts]
        conditions = [condition for condition in found if condition is not None]
        for condition in conditions:
            self._board.hand_in(condition)
        return len(conditions)


def may_see(alert: Alert, who: Principal) -> bool:
    return alert.tenant is None or alert.tenant == who.tenant or who.may(Scope.ADMIN)


def _may_handle(silence: Silence, who: Principal) -> bool:
    return who.may(Scope.ADMIN) or silence.tenant == who.tenant


def _may_read(message: OutMessage, who: Principal) -> bool:
    """A message tells some of its alerts only: of one that is cut nobody but an admin knows all."""
    group = message.group
    return who.may(Scope.ADMIN) or (
        group.total == len(group.alerts) and all(may_see(one, who) for one in group.alerts)
    )


def _test_group(channel: str, at: datetime) -> AlertGroup:
    alert = _test_alert(channel, at)
    name = f"test_{secrets.token_hex(8)}"
    return AlertGroup(name, "[TEST] alerts get out this way", Severity.INFO, (alert,), 1, at)


def _test_alert(channel: str, at: datetime) -> Alert:
    return Alert(
        fingerprint="0" * 16,
        name="notifier_test",
        state=AlertState.FIRING,
        severity=Severity.INFO,
        category=Category.NOTIFIER,
        subject=Subject(SubjectKind.CHANNEL, channel),
        summary="Somebody asked for this test; nothing is wrong.",
        labels=(),
        started_at=at,
        updated_at=at,
    )

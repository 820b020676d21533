"""Sends the messages of one channel, one after the other, until the other side has taken each.

Tries again ever more slowly, and never before a time that the other side named. A channel that fails is a condition
of its own, which the other channels tell. What is sent is the outbox' business, how it is said the channel's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import structlog

from app.domain.alert import AlertGroup
from app.domain.condition import RETOLD_S, Category, Condition, Subject, SubjectKind
from app.domain.errors import InvalidRequest, ManagerError, NotAllowed, Unavailable
from app.domain.notification import OutMessage
from app.domain.severity import Severity
from app.monitoring.outbox import Outbox
from app.ports.notifier import Notifier
from app.runtime.clock import monotonic, utc_now

SEND_S: Final = 20.0
"""A hung server holds no message longer than this."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 300.0
REFUSED_PAUSE_S: Final = 300.0
"""A wrong token does not mend itself; somebody will have to."""
LONGEST_NAMED_S: Final = 24 * 3600.0
"""A time that the other side names is kept to, if it is one of this world."""
FAILED_AFTER: Final = 3
"""Attempts in a row before the others are told."""
MAX_TRUSTED: Final = 8
"""Attempts after which a time that the other side names is not enough: at a second each all attempts would be used
up in minutes."""
MAX_ATTEMPTS: Final = 300
"""At five minutes each a day: then it is a dead letter."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Fault:
    text: str
    told_at: float | None = None


class AlertSender:
    """`pace_s`: least time between two messages. `tell` hears how the channel is."""

    def __init__(
        self, *, notifier: Notifier, outbox: Outbox, tell: Callable[[Condition], None], pace_s: float = 0.0
    ) -> None:
        self._notifier = notifier
        self._outbox = outbox
        self._tell = tell
        self._pace_s = pace_s
        self._not_before = 0.0
        self._fault: _Fault | None = None
        self.sent = 0
        self.failed = 0

    @property
    def name(self) -> str:
        return self._notifier.name

    @property
    def fault(self) -> str | None:
        return None if self._fault is None else self._fault.text

    async def run(self) -> None:
        is_first = True
        while True:
            message = await self._next()
            if is_first and message.not_before is not None:
                # Named before a restart, by the wall clock; on ours it is no longer than it can have been.
                left_s = (message.not_before - utc_now()).total_seconds()
                self._not_before = monotonic() + min(max(0.0, left_s), LONGEST_NAMED_S)
            is_first = False
            await self._pause()
            await self._try(message)

    async def try_now(self, group: AlertGroup) -> None:
        """Send `group` past the outbox: a test by somebody who waits for the answer. Raises ManagerError."""
        left_s = self._not_before - monotonic()
        if left_s > self._pace_s:
            raise Unavailable("the channel waits for a time that the other side named", retry_after_s=left_s)
        try:
            await self._send(group)
        except ManagerError as error:
            self._wait_for(min(error.retry_after_s or 0.0, LONGEST_NAMED_S))
            raise
        self._wait_for(self._pace_s)

    def _wait_for(self, pause_s: float) -> None:
        self._not_before = max(self._not_before, monotonic() + pause_s)

    async def _next(self) -> OutMessage:
        """The next message; while there is none, the others go on hearing of what is wrong here."""
        while True:
            try:
                async with asyncio.timeout(RETOLD_S):
                    return await self._outbox.first(self.name)
            except TimeoutError:
                self._retell()

    async def _pause(self) -> None:
        while (left_s := self._not_before - monotonic()) > 0:
            self._retell()
            await asyncio.sleep(min(left_s, RETOLD_S))

    async def _send(self, group: AlertGroup) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                await self._notifier.send(group)
        except ManagerError:
            raise
        except TimeoutError as error:
            raise Unavailable("no answer in time") from error
        except Exception as error:  # supervises foreign work: one message must not stop the channel for good
            raise Unavailable(f"the channel breaks: {type(error).__name__}") from error

    async def _try(self, message: OutMessage) -> None:
        try:
            await self._send(message.group)
        except InvalidRequest as error:
            self.failed += 1
            log.error("message cannot be sent", channel=self.name, message_id=message.id, reason=error.detail)
            self._fail(f"a message was refused for good: {error.detail}")
            await self._outbox.bury(replace(message, attempts=message.attempts + 1, fault=error.detail))
        except NotAllowed as error:
            await self._put_off(message, error, REFUSED_PAUSE_S, is_told=True)
        except ManagerError as error:
            pause_s = _pause_s(message.attempts, error.retry_after_s)
            await self._put_off(message, error, pause_s, is_told=message.attempts + 1 >= FAILED_AFTER)
        else:
            self.sent += 1
            self._not_before = monotonic() + self._pace_s
            self._mended()
            await self._outbox.sent(message)

    async def _put_off(self, message: OutMessage, error: ManagerError, pause_s: float, *, is_told: bool) -> None:
        self.failed += 1
        self._not_before = monotonic() + pause_s
        log.warning("message not sent", channel=self.name, reason=error.detail, attempts=message.attempts + 1)
        if is_told:
            self._fail(error.detail)
        until = utc_now() + timedelta(seconds=pause_s)
        again = replace(message, attempts=message.attempts + 1, not_before=until, fault=error.detail)
        if again.attempts >= MAX_ATTEMPTS:
            await self._outbox.bury(again)
        else:
            await self._outbox.put_off(again)

    def _fail(self, why: str) -> None:
        self._fault = _Fault(why, None if self._fault is None else self._fault.told_at)
        self._retell()

    def _retell(self) -> None:
        fault, now = self._fault, monotonic()
        if fault is not None and (fault.told_at is None or now - fault.told_at >= RETOLD_S):
            fault.told_at = now
            self._tell(channel_condition(self.name, fault.text))

    def _mended(self) -> None:
        if self._fault is not None:
            self._fault = None
            self._tell(channel_condition(self.name, None))


def _pause_s(attempts: int, named_s: float | None) -> float:
    """Never less than the other side names; more, where that is no time at all or was named again and again."""
    own_s = min(FIRST_PAUSE_S * 2.0 ** min(attempts, 16), LONGEST_PAUSE_S)
    if named_s is None:
        return own_s
    is_trusted = named_s >= FIRST_PAUSE_S and attempts < MAX_TRUSTED
    return min(named_s if is_trusted else max(named_s, own_s), LONGEST_NAMED_S)


def channel_condition(name: str, fault: str | None) -> Condition:
    """That people cannot be told by this channel; `fault` None: they can again."""
    return Condition(
        name="notifier_failed",
        subject=Subject(SubjectKind.CHANNEL, name),
        is_active=fault is not None,
        severity=Severity.CRITICAL,
        category=Category.NOTIFIER,
        at=utc_now(),
        summary=f"alerts do not get out by {name}: {fault}" if fault else f"alerts get out by {name} again",
    )

"""Keeps one Alertmanager replica told of all that fires, again and again, and of each end until it has taken it.

Every replica has a feed of its own: they deduplicate among themselves, and one that is away holds up no other.
Grouping, silences of its own and messages are Alertmanager's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from app.domain.alert import Alert, AlertState
from app.domain.condition import Condition
from app.domain.errors import ManagerError
from app.domain.events import AlertChanged, Event
from app.monitoring.alert_sender import SEND_S, channel_condition
from app.ports.notifier import AlertTaker
from app.runtime.clock import utc_now

RESEND_S: Final = 60.0
"""As Prometheus does (its default of --rules.alert.resend-delay)."""
LIVES_S: Final = 4 * RESEND_S
"""What is not handed in again for so long is over: then we are gone."""
GATHER_S: Final = 0.2
RETRY_S: Final = 10.0
MAX_OWED: Final = 10_000

log = structlog.get_logger()


class AlertFeed:
    """`hear` listens to the bus, `run` works until it is cancelled. `active`: all that fires now."""

    def __init__(
        self, *, taker: AlertTaker, active: Callable[[], Iterable[Alert]], tell: Callable[[Condition], None]
    ) -> None:
        self._taker = taker
        self._active = active
        self._tell = tell
        self._owed: dict[str, Alert] = {}
        """Ends that were not taken yet, by fingerprint, oldest first."""
        self._changed = asyncio.Event()
        self.fault: str | None = None
        self.sent = 0
        self.failed = 0

    @property
    def name(self) -> str:
        return self._taker.name

    @property
    def waiting(self) -> int:
        """Ends that were not taken yet."""
        return len(self._owed)

    def hear(self, event: Event) -> None:
        if not isinstance(event, AlertChanged) or event.alert.is_external:
            return
        alert = event.alert
        self._owed.pop(alert.fingerprint, None)
        if alert.state is AlertState.RESOLVED:
            self._owed[alert.fingerprint] = alert
            if len(self._owed) > MAX_OWED:
                del self._owed[next(iter(self._owed))]
        self._changed.set()

    async def run(self) -> None:
        while True:
            pause_s = RESEND_S if await self.hand_in() else RETRY_S
            try:
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()
                await asyncio.sleep(GATHER_S if self.fault is None else RETRY_S)
            except TimeoutError:
                pass

    async def hand_in(self) -> bool:
        """Everything once. False: it was not taken."""
        self._changed.clear()
        owed = tuple(self._owed.values())
        # One that is silenced here is not handed in, and so ends there by itself.
        firing = tuple(one for one in self._active() if not one.is_external and one.silenced_by is None)
        fault = await self._give((*firing, *owed), utc_now() + timedelta(seconds=LIVES_S))
        if fault is not None:
            log.warning("alerts not handed in", channel=self.name, reason=fault)
            self.fault = fault
            self.failed += 1
            self._tell(channel_condition(self.name, fault))
            return False
        self.sent += 1
        for alert in owed:
            if self._owed.get(alert.fingerprint) is alert:
                del self._owed[alert.fingerprint]
        if self.fault is not None:
            self.fault = None
            self._tell(channel_condition(self.name, None))
        return True

    async def try_now(self, alert: Alert, *, ends_at: datetime) -> str | None:
        """Hand `alert` in besides; why it was not taken, None: it was."""
        return await self._give((alert,), ends_at)

    async def _give(self, alerts: Sequence[Alert], ends_at: datetime) -> str | None:
        try:
            async with asyncio.timeout(SEND_S):
                await self._taker.hand_in(alerts, ends_at=ends_at)
        except ManagerError as error:
            return error.detail
        except TimeoutError:
            return "no answer in time"
        return None

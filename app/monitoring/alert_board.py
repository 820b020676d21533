"""The one board of alerts: hears conditions, keeps what fires, and sees to it that people are told.

Holds no rule: when something fires is `app/policy/alert_rules.py`'s verdict, what lies behind it
`alert_causes.py`'s, what is said when `alert_grouping.py`'s. What happens with a message is the outbox' business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import structlog

from app.domain.alert import Alert, AlertState
from app.domain.condition import Condition, SubjectKind
from app.domain.errors import Conflict, NotFound
from app.domain.events import AlertChanged, Event
from app.domain.ids import StreamId
from app.domain.notification import KeptAlert, OutMessage, Silence, Told
from app.monitoring.announcer import Announcer
from app.monitoring.outbox import Outbox
from app.policy.alert_causes import causes_of, root_of
from app.policy.alert_rules import AlertBook
from app.policy.silences import MAX_SILENCES, Hush, check
from app.ports.alert_store import AlertStore
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now

BEAT_S: Final = 1.0
SOON_S: Final = 0.05
"""What comes together is looked at together."""
MAX_UNSAVED: Final = 10_000

log = structlog.get_logger()


class AlertBoard:
    """`hear` is a listener of the bus; `run` works until it is cancelled. `tenant_of`: whose stream it is."""

    def __init__(
        self,
        *,
        store: AlertStore,
        bus: Bus[Event],
        outbox: Outbox,
        announcer: Announcer,
        tenant_of: Callable[[StreamId], str | None],
    ) -> None:
        self._store = store
        self._bus = bus
        self._outbox = outbox
        self._announcer = announcer
        self._tenant_of = tenant_of
        self._book = AlertBook()
        self._told: dict[str, dict[str, Told]] = {}
        """Of each alert that is not settled: the last word of each channel."""
        self._ended: dict[str, Alert] = {}
        """Over, and not settled yet."""
        self._unsaved: dict[tuple[str, datetime], Alert] = {}
        self._unfed: dict[str, Alert] = {}
        self._refused = 0
        self._blamed: dict[str, str] = {}
        self._silences: dict[str, Silence] = {}
        self._hush = Hush()
        self._woken = asyncio.Event()

    async def load(self) -> None:
        """What the process before knew. Raises Unavailable."""
        now, at = monotonic(), utc_now()
        self._silences = {silence.id: silence for silence in await self._store.silences()}
        for kept in await self._store.open_alerts():
            alert = kept.alert
            self._told[alert.fingerprint] = {word.channel: word for word in kept.told}
            if alert.state is AlertState.FIRING:
                self._book.adopt(alert, now)
            else:
                self._ended[alert.fingerprint] = alert
            self._announcer.restore(kept, now, at)
        await self._outbox.load()

    # --- what comes in

    def hear(self, event: Event) -> None:
        if isinstance(event, Condition):
            self._changed(self._book.feed(event, monotonic(), utc_now()))

    def hand_in(self, condition: Condition) -> None:
        """An alert of somebody else, who tells people himself: it is shown here."""
        self._changed(self._book.feed(condition, monotonic(), utc_now(), is_external=True))

    def blame(self, fingerprint: str, cause: str | None) -> None:
        """Somebody knows what lies behind an alert better than its labels do; None: he was wrong."""
        if cause is None:
            self._blamed.pop(fingerprint, None)
        elif self._book.find(fingerprint) is not None:
            self._blamed[fingerprint] = cause
        self._woken.set()

    def _changed(self, alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            if alert.tenant is None and alert.subject.kind is SubjectKind.STREAM:
                alert = self._owned(alert)
            name = alert.fingerprint
            if alert.state is AlertState.RESOLVED:
                self._ended[name] = alert
                self._blamed.pop(name, None)
            elif name in self._ended:
                # It is back before its end was told: that end needs no word of its own.
                before = self._ended.pop(name)
                self._unsaved[name, before.started_at] = before
            self._unsaved[name, alert.started_at] = alert
            self._unfed[name] = alert
            self._bus.tell(AlertChanged(alert))
            self._woken.set()

    def _owned(self, alert: Alert) -> Alert:
        tenant = self._tenant_of(StreamId(alert.subject.id)) or ""
        return self._book.change(alert.fingerprint, tenant=tenant) or alert

    # --- what runs by itself

    async def run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(BEAT_S):
                    await self._woken.wait()
                await asyncio.sleep(SOON_S)
            except TimeoutError:
                pass
            self._woken.clear()
            await self.look()

    async def look(self) -> None:
        """One round: what time decided, who is silenced, what lies behind what, who is told. Raises NotLeading."""
        now, at = monotonic(), utc_now()
        if self._book.refused > self._refused:
            self._refused = self._book.refused
            log.error("conditions found no room: nobody is told of them", count=self._refused)
        self._changed(self._book.tick(now, at))
        self._hush.look(self._silences.values(), at)
        self._judge()
        firing = {alert.fingerprint: alert.cause_fingerprint for alert in self._book}
        unfed, self._unfed = self._unfed, {}
        for name, alert in unfed.items():
            root = root_of(name, firing)
            self._announcer.feed(alert, self._book.find(root) if root != name else None, now)
        sayings = self._announcer.due(now, at, lambda alert: self._hush.by(alert) is not None)
        for saying in sayings:
            for name, word in saying.told.items():
                self._told.setdefault(name, {})[word.channel] = word
                self._note_unsaved(name)
        await self._save([saying.message for saying in sayings])

    def _note_unsaved(self, name: str) -> None:
        alert = self._book.find(name) or self._ended.get(name)
        if alert is not None:
            self._unsaved[name, alert.started_at] = alert

    def _judge(self) -> None:
        behind = causes_of(self._book) | self._blamed
        for alert in tuple(self._book):
            silenced_by = self._hush.by(alert)
            cause = behind.get(alert.fingerprint)
            if cause is not None and self._book.find(cause) is None:
                cause = None
            if (silenced_by, cause) == (alert.silenced_by, alert.cause_fingerprint):
                continue
            changed = self._book.change(alert.fingerprint, silenced_by=silenced_by, cause_fingerprint=cause)
            if changed is not None:
                self._changed((changed,))

    async def _save(self, messages: list[OutMessage]) -> None:
        unsaved, self._unsaved = self._unsaved, {}
        kept = tuple(self._kept(alert) for alert in unsaved.values())
        if not await self._outbox.put(kept, messages):
            self._unsaved = unsaved | self._unsaved
            self._drop_history()
            return
        for one in kept:
            if one.is_settled and self._ended.get(one.alert.fingerprint) is one.alert:
                del self._ended[one.alert.fingerprint]
                self._told.pop(one.alert.fingerprint, None)

    def _drop_history(self) -> None:
        """The store is away for very long: the oldest of what is over, and told, will not stand in the history."""
        for key, alert in tuple(self._unsaved.items()):
            if len(self._unsaved) <= MAX_UNSAVED:
                return
            if self._kept(alert).is_settled:
                del self._unsaved[key]
                if self._ended.get(alert.fingerprint) is alert:
                    del self._ended[alert.fingerprint]
                    self._told.pop(alert.fingerprint, None)

    def _kept(self, alert: Alert) -> KeptAlert:
        name = alert.fingerprint
        told = tuple(self._told.get(name, {}).values())
        is_over = alert.state is AlertState.RESOLVED
        is_newest = self._book.find(name) is None
        return KeptAlert(alert, told, is_over and not (is_newest and self._announcer.waits_for(name)))

    # --- what is asked

    def active(self) -> tuple[Alert, ...]:
        return tuple(self._book)

    def find(self, fingerprint: str) -> Alert:
        """Raises NotFound."""
        alert = self._book.find(fingerprint)
        if alert is None:
            raise NotFound("no alert of this fingerprint fires now", hint="GET /api/monitoring/alerts lists them.")
        return alert

    async def history(self, *, limit: int, before: datetime | None) -> tuple[Alert, ...]:
        """Newest first. Raises Unavailable."""
        return await self._store.alert_history(limit=limit, before=before)

    def acknowledge(self, fingerprint: str, who: str) -> Alert:
        """Somebody takes care of it: it is not repeated. The first one stays. Raises NotFound."""
        alert = self.find(fingerprint)
        if alert.acknowledged_by is not None:
            return alert
        changed = self._book.change(fingerprint, acknowledged_by=who)
        assert changed is not None, "it was found"
        self._changed((changed,))
        return changed

    def silences(self) -> tuple[Silence, ...]:
        """Those to come, too, and some that ended lately."""
        return tuple(self._silences.values())

    async def silence(self, silence: Silence) -> None:
        """Raises InvalidRequest, Conflict when there are too many, Unavailable."""
        check(silence)
        now = utc_now()
        self._silences = {name: one for name, one in self._silences.items() if one.ends_at > now}
        if silence.id not in self._silences and len(self._silences) >= MAX_SILENCES:
            raise Conflict(f"there are {MAX_SILENCES} silences already")
        await self._store.put_silence(silence)
        self._silences[silence.id] = silence
        self._woken.set()

    async def unsilence(self, silence_id: str) -> None:
        """Raises NotFound, Unavailable."""
        if not await self._store.drop_silence(silence_id):
            raise NotFound("no such silence")
        self._silences.pop(silence_id, None)
        self._woken.set()

"""What is promised on which encoder. All on the event loop and without an await: a promise is atomic by that.

A backup that idles until it is needed shares its room with the backups of streams on other hosts: one loss never
needs both. So an encoder keeps free what the largest loss of one host would bring it, and no more; after the loss
of any one host or node every stream still has its place. A backup that works along, or whose primary is nowhere,
weighs in full.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from app.domain.fleet import Role
from app.domain.ids import EncoderId, HostId, StreamId

CRUMB: Final = 1e-3
"""Pixels per second: less than this left of a sum of floats is nothing."""


@dataclass(frozen=True, slots=True)
class Promise:
    encoder_id: EncoderId
    pixels_per_s: float
    host_id: HostId | None
    """Of the encoder; None: it has not come since control's start."""
    shares: bool
    """A backup that idles until it is needed."""


@dataclass(slots=True)
class _Account:
    """Of one encoder. Pixels per second; `if_lost`: what comes here when that host is lost."""

    streams: int = 0
    firm: float = 0.0
    if_lost: dict[HostId, float] = field(default_factory=dict)

    def total(self) -> float:
        return self.firm + max(self.if_lost.values(), default=0.0)


_NOTHING: Final = _Account()


class Ledger:
    """At most one promise for each stream and role. `changed` is told each encoder whose totals are others now."""

    def __init__(self) -> None:
        self._promises: dict[tuple[StreamId, Role], Promise] = {}
        self._accounts: dict[EncoderId, _Account] = {}
        self._counts: Counter[tuple[EncoderId, Role]] = Counter()
        self._unlocated: dict[EncoderId, set[tuple[StreamId, Role]]] = {}
        """Promises on encoders whose host is not known."""
        self.changed: Callable[[EncoderId], None] = lambda encoder_id: None

    def promise(
        self,
        encoder_id: EncoderId,
        stream_id: StreamId,
        role: Role,
        pixels_per_s: float,
        *,
        host_id: HostId | None = None,
        shares: bool = False,
    ) -> None:
        """Replaces the promise of this stream and role, wherever it was."""
        self.release(stream_id, role)
        self._write(stream_id, role, Promise(encoder_id, pixels_per_s, host_id, shares))

    def located(self, encoder_id: EncoderId, host_id: HostId) -> None:
        """The encoder came: what was promised on it before is promised on that host."""
        for stream_id, role in tuple(self._unlocated.get(encoder_id, ())):
            self._write(stream_id, role, replace(self._promises[stream_id, role], host_id=host_id))

    def release(self, stream_id: StreamId, role: Role) -> None:
        if (stream_id, role) in self._promises:
            self._write(stream_id, role, None)

    def release_all(self, stream_id: StreamId) -> None:
        for role in Role:
            self.release(stream_id, role)

    def totals(self, encoder_id: EncoderId) -> tuple[float, int]:
        """Pixels per second with what the largest loss of one host brings, and number of promises."""
        account = self._accounts.get(encoder_id, _NOTHING)
        return account.total(), account.streams

    def totals_without(self, encoder_id: EncoderId, stream_id: StreamId) -> tuple[float, int]:
        """The same as if the stream held nothing there. Where its backup idles, only what comes along with it
        counts: its place is kept for it, and a loss that has come goes before one that may."""
        account = self._accounts.get(encoder_id, _NOTHING)
        held = [role for role in Role if self._held(stream_id, role, encoder_id)]
        firm, reserved = account.firm, max(account.if_lost.values(), default=0.0)
        for role in held:
            pixels, lost = self._promises[stream_id, role].pixels_per_s, self._lost_with(stream_id, role)
            if lost is None:
                firm -= pixels
            else:
                reserved = account.if_lost[lost] - pixels
        return max(firm + reserved, 0.0), account.streams - len(held)

    def of(self, stream_id: StreamId, role: Role) -> Promise | None:
        return self._promises.get((stream_id, role))

    def promised(self, stream_id: StreamId, encoder_id: EncoderId) -> tuple[float, int]:
        """What the stream holds there."""
        mine = [self._promises[stream_id, role] for role in Role if self._held(stream_id, role, encoder_id)]
        return sum(promise.pixels_per_s for promise in mine), len(mine)

    def count(self, encoder_id: EncoderId, role: Role) -> int:
        return self._counts[encoder_id, role]

    def if_lost(self, encoder_id: EncoderId) -> dict[HostId, float]:
        """Pixels per second that come here when a host is lost, over those that share room."""
        return dict(self._accounts.get(encoder_id, _NOTHING).if_lost)

    def without_second_place(self) -> tuple[StreamId, ...]:
        """Streams for which no room is kept on another host than their primary's."""
        return tuple(
            stream_id
            for (stream_id, role), promise in self._promises.items()
            if role is Role.PRIMARY and not self._kept_elsewhere(stream_id, promise)
        )

    def _kept_elsewhere(self, stream_id: StreamId, primary: Promise) -> bool:
        backup = self._promises.get((stream_id, Role.BACKUP))
        return backup is not None and (backup.host_id is None or backup.host_id != primary.host_id)

    def firm(self, encoder_id: EncoderId) -> float:
        """Pixels per second that are in use, or kept free for one stream alone."""
        return self._accounts.get(encoder_id, _NOTHING).firm

    def __iter__(self) -> Iterator[tuple[EncoderId, StreamId, Role, float]]:
        for (stream_id, role), promise in self._promises.items():
            yield promise.encoder_id, stream_id, role, promise.pixels_per_s

    def _held(self, stream_id: StreamId, role: Role, encoder_id: EncoderId) -> bool:
        promise = self._promises.get((stream_id, role))
        return promise is not None and promise.encoder_id == encoder_id

    def _lost_with(self, stream_id: StreamId, role: Role) -> HostId | None:
        """The host whose loss makes the promise due; None: it is due now."""
        promise, primary = self._promises[stream_id, role], self._promises.get((stream_id, Role.PRIMARY))
        if role is not Role.BACKUP or not promise.shares or primary is None or primary.host_id == promise.host_id:
            return None
        return primary.host_id

    def _write(self, stream_id: StreamId, role: Role, promise: Promise | None) -> None:
        """A primary that comes or goes changes what its backup's promise means."""
        before = [self._promises[stream_id, r].encoder_id for r in Role if (stream_id, r) in self._promises]
        for each in Role:
            self._book(stream_id, each, -1)
        self._forget_unlocated(stream_id, role)
        if promise is None:
            del self._promises[stream_id, role]
        else:
            self._promises[stream_id, role] = promise
            if promise.host_id is None:
                self._unlocated.setdefault(promise.encoder_id, set()).add((stream_id, role))
        for each in Role:
            self._book(stream_id, each, 1)
        touched = before if promise is None else [*before, promise.encoder_id]
        for encoder_id in dict.fromkeys(touched):
            self.changed(encoder_id)

    def _forget_unlocated(self, stream_id: StreamId, role: Role) -> None:
        known = self._promises.get((stream_id, role))
        if known is None or known.host_id is not None:
            return
        unlocated = self._unlocated[known.encoder_id]
        unlocated.discard((stream_id, role))
        if not unlocated:
            del self._unlocated[known.encoder_id]

    def _book(self, stream_id: StreamId, role: Role, sign: int) -> None:
        promise = self._promises.get((stream_id, role))
        if promise is None:
            return
        account = self._accounts.setdefault(promise.encoder_id, _Account())
        account.streams += sign
        lost, pixels = self._lost_with(stream_id, role), sign * promise.pixels_per_s
        if lost is None:
            account.firm += pixels
        else:
            account.if_lost[lost] = account.if_lost.get(lost, 0.0) + pixels
            if account.if_lost[lost] < CRUMB:
                del account.if_lost[lost]
        key = (promise.encoder_id, role)
        self._counts[key] += sign
        if self._counts[key] == 0:
            del self._counts[key]
        if account.streams == 0:
            # Exactly nothing again: sums of floats would leave a crumb.
            del self._accounts[promise.encoder_id]

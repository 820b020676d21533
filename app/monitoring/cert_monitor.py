"""Watches the certificates that are really served, on our ports and the devices', and tells what is wrong there.

Renewing ours is `cert_renewal.py`'s work, what a chain is worth is policy's verdict, people are told by the alerts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from app.domain.access import Principal
from app.domain.certificate import Place, PlaceKind
from app.domain.condition import RETOLD_S, Condition, SubjectKind
from app.domain.errors import Conflict, NotFound, Unavailable
from app.domain.ids import EncoderId
from app.monitoring.cert_conditions import clock_wrong, conditions_of, renewal_failed
from app.monitoring.cert_renewal import Renewal, RenewalState
from app.monitoring.cert_watch import AGAIN_S, Watched, pause_s
from app.policy import certificates as policy
from app.policy.chain import judge
from app.ports.certificates import CertificateKeeper, CertificateProbe

AT_ONCE: Final = 16
"""Places that one round looks at. What holds is told after each: a listener takes what is not told again for over,
and places that do not answer cost a round many seconds."""
MOST_PLACES: Final = 2_000
OWN_NAME: Final = "own"
_LISTED: Final = "GET /api/monitoring/certificates lists them"
Trust = Callable[[EncoderId, str, Principal], Awaitable[None]]
STANDBY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """What the manager does about the certificate of its own ports. `refused`: why the one on disk is not used."""

    names: tuple[str, ...]
    renewal: RenewalState | None
    refused: str | None


class CertMonitor:
    """`places` are asked anew at each round. `keeper` None: no port of ours has a certificate; `renewal` None:
    somebody else renews it. `trust` is told which certificate a device must show from now on. Nothing is done
    while this control does not lead."""

    def __init__(
        self,
        *,
        places: Callable[[], Iterable[Place]],
        probe: CertificateProbe,
        keeper: CertificateKeeper | None,
        renewal: Renewal | None,
        names: tuple[str, ...],
        tell: Callable[[Condition], None],
        trust: Trust,
        leads: Callable[[], bool] = lambda: True,
        utc_now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._places = places
        self._probe = probe
        self._keeper = keeper
        self._renewal = renewal
        self._names = names
        self._tell = tell
        self._trust = trust
        self._leads = leads
        self._utc_now = utc_now
        self._monotonic = monotonic
        self._seen: dict[str, Watched] = {}
        self._active: dict[tuple[str, SubjectKind, str], Condition] = {}
        self._known: str | None = None
        self._refused: str | None = None
        self._wished = asyncio.Event()
        self._stirred = asyncio.Event()
        self.is_behind = False
        """More places were due than one round looks at."""

    # --- what runs by itself

    async def run(self) -> None:
        """Looks and tells until cancelled."""
        while True:
            self._stirred.clear()
            if self._leads():
                await self.look()
                if self.is_behind:
                    continue
            await self._pause(self._stirred)

    async def renew(self) -> None:
        """Renews until cancelled. Beside `run`: an order may take minutes."""
        while True:
            self._wished.clear()
            if self._renewal is not None and self._leads():
                await self._renewal.look()
                if self._present() != self._known:
                    self._stirred.set()
            await self._pause(self._wished)

    async def _pause(self, unless: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETOLD_S if self._leads() else STANDBY_S):
                await unless.wait()

    async def look(self) -> None:
        """One round: look where it is due, tell every condition that holds, and the end of those that do not."""
        now = self._monotonic()
        places = {place.name: place for place in tuple(self._places())[:MOST_PLACES]}
        for name in self._seen.keys() - places.keys():
            del self._seen[name]
        if self._present() != self._known:
            self._known = self._present()
            self._look_at_ours()
        due = sorted((place for place in places.values() if self._is_due(place, now)), key=self._urgency)
        self.is_behind = len(due) > AT_ONCE
        await asyncio.gather(*(self._visit(place) for place in due[:AT_ONCE]))
        self._tell_all()

    def _is_due(self, place: Place, now: float) -> bool:
        known = self._seen.get(place.name)
        return known is None or known.place != place or now >= known.due

    def _urgency(self, place: Place) -> tuple[bool, float]:
        """Our own first, then who has waited longest."""
        known = self._seen.get(place.name)
        return place.kind is not PlaceKind.OWN, 0.0 if known is None else known.due

    async def _visit(self, place: Place) -> None:
        known = self._seen.get(place.name)
        if known is None or known.place != place:
            known = Watched(place)
        try:
            chain = await self._probe.look(place)
        except Unavailable as error:
            self._seen[place.name] = replace(known, error=error.detail, due=self._monotonic() + AGAIN_S)
            return
        # A gateway takes up what is new a moment after us; one elsewhere has files of its own.
        is_settled = place.kind is PlaceKind.DEVICE or self._present() in (None, chain.leaf.fingerprint)
        due = self._monotonic() + (pause_s(place) if is_settled else AGAIN_S)
        self._seen[place.name] = Watched(place, chain, looked_at=self._utc_now(), due=due)

    def _present(self) -> str | None:
        """Fingerprint of the certificate in use."""
        present = None if self._keeper is None else self._keeper.present()
        return None if present is None else present[1].leaf.fingerprint

    def _look_at_ours(self) -> None:
        for name, seen in self._seen.items():
            if seen.place.kind is PlaceKind.OWN:
                self._seen[name] = replace(seen, due=0.0)

    # --- what is told

    def _tell_all(self) -> None:
        now = self._utc_now()
        holding = {condition.key: condition for condition in self._holding(now)}
        for key, gone in self._active.items():
            if key not in holding:
                self._tell(replace(gone, is_active=False, at=now))
        self._active = dict(holding)
        for condition in holding.values():
            self._tell(condition)

    def _holding(self, now: datetime) -> Iterator[Condition]:
        own = self.own()
        for seen in self.all():
            yield from conditions_of(seen, now)
        clock = policy.clock_fault(now, floor=policy.WRITTEN, witness=None)
        if own is not None and own.renewal is not None:
            clock = own.renewal.clock_fault or clock
        if clock is not None:
            yield clock_wrong(clock, now)
        if own is None:
            return
        if own.refused is not None:
            yield renewal_failed(own.names, 0, own.refused, now)
        elif own.renewal is not None and own.renewal.failures:
            yield renewal_failed(own.names, own.renewal.failures, own.renewal.last_error or "", now)

    # --- what is asked

    def all(self) -> tuple[Watched, ...]:
        """Every place, as it was last seen."""
        due = None if self._renewal is None else self._renewal.state().due
        return tuple(self._judged(seen, due) for _, seen in sorted(self._seen.items()))

    def _judged(self, seen: Watched, due: datetime | None) -> Watched:
        """What was good when it was seen may be over by now."""
        if seen.chain is None:
            return seen
        verdict = judge(seen.chain, expects=seen.place.expects, now=self._utc_now())
        # A gateway elsewhere has files of its own, which somebody else renews.
        is_ours = self._present() == seen.chain.leaf.fingerprint
        return replace(seen, verdict=verdict, renewal_due=due if is_ours else None)

    def own(self) -> OwnCertificate | None:
        if self._keeper is None:
            return None
        state = None if self._renewal is None else self._renewal.state()
        return OwnCertificate(self._names, state, self._refused)

    def request_renewal(self, name: str) -> None:
        """Renew at once, due or not. Raises NotFound, Conflict, TooManyRequests."""
        if name != OWN_NAME and self._watched(name).place.kind is not PlaceKind.OWN:
            raise Conflict(f"the certificate of {name} is the device's own", hint="renew it there")
        if self._renewal is None:
            raise Conflict(
                "no authority is set that certificates could be ordered from",
                hint="set acme_directory and acme_names, or renew it with the program that made it",
            )
        self._renewal.wish()
        self._wished.set()

    async def accept(self, name: str, fingerprint: str, who: Principal) -> None:
        """Take the certificate that a device shows now for its own. Raises NotFound, Conflict, Unavailable."""
        seen = self._watched(name)
        if seen.place.encoder_id is None:
            raise Conflict(f"{name} is no device: what it serves is not pinned")
        if seen.chain is None or seen.chain.leaf.fingerprint != fingerprint:
            raise Conflict(f"{name} showed another certificate when it was looked at last", hint=_LISTED)
        await self._trust(seen.place.encoder_id, fingerprint, who)
        self._stirred.set()

    def _watched(self, name: str) -> Watched:
        seen = self._seen.get(name)
        if seen is None:
            raise NotFound(f"no certificate is watched as {name}", hint=_LISTED)
        return seen

    def reload(self) -> bool:
        """Take up what stands on disk; True: it was another one. Raises Conflict with the reason."""
        if self._keeper is None:
            raise Conflict("no certificate is set", hint="set tls_cert and tls_key")
        try:
            taken = self._keeper.reload()
        except Conflict as error:
            self._refused = error.detail
            raise
        self._refused = None
        self._stirred.set()
        return taken

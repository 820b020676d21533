"""Renews the certificate of our own ports in time: asks the authority, orders, tries out, publishes.

When is policy's verdict, how is the adapters' work; here is the order of the steps, and that none is forgotten
after a crash: what was begun is on disk before it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from app.domain.certificate import CertificateFacts, OrderLog, RenewalWindow, ServedChain
from app.domain.errors import Conflict, TooManyRequests, Unavailable
from app.policy import certificates as policy
from app.policy.chain import covers
from app.ports.certificates import Authority, CertificateKeeper, ValidationFailed

ASK_LATER: Final = timedelta(hours=1)
"""When the authority could not say when it wants a certificate renewed."""
CLOCK_AGAIN: Final = timedelta(minutes=10)

log = structlog.get_logger("certificates")


@dataclass(frozen=True, slots=True)
class RenewalState:
    """`due`: when the present one is to be renewed. `reason`: what holds the next attempt up, or None."""

    due: datetime
    next_attempt: datetime
    reason: str | None
    failures: int
    last_error: str | None
    clock_fault: str | None
    is_advised: bool
    """`due` is the authority's own advice."""


class Renewal:
    """`names`: those that the certificate must be made for."""

    def __init__(
        self,
        *,
        keeper: CertificateKeeper,
        authority: Authority,
        names: tuple[str, ...],
        utc_now: Callable[[], datetime],
    ) -> None:
        self._keeper = keeper
        self._authority = authority
        self._names = names
        self._utc_now = utc_now
        self._log = keeper.orders()
        self._window: tuple[str, RenewalWindow | None, datetime] | None = None
        self._clock_fault: str | None = None
        self._clock_checked: datetime | None = None
        self._begun_at: datetime | None = None
        self._is_wished = False

    def state(self) -> RenewalState:
        now = self._utc_now()
        leaf = self._leaf()
        due, attempt = self._plan(leaf, now)
        return RenewalState(
            due=due,
            next_attempt=max(attempt.at, now),
            reason=attempt.reason,
            failures=self._log.failures,
            last_error=self._log.last_error,
            clock_fault=self._clock_fault,
            is_advised=self._advice(leaf) is not None,
        )

    def wish(self) -> None:
        """Renew at the next look, due or not. Raises TooManyRequests: limits hold for people too."""
        now = self._utc_now()
        holds = policy.limits(self._log, now, is_open=self._authority.has_open_order)
        if holds:
            latest = max(holds, key=lambda hold: hold.at)
            wait_s = (latest.at - now).total_seconds()
            raise TooManyRequests(f"no renewal now: {latest.reason}", retry_after_s=wait_s)
        self._is_wished, self._clock_checked = True, None

    async def look(self) -> None:
        """Do what is due now; may take minutes."""
        now, leaf = self._utc_now(), self._leaf()
        if not await self._has_right_clock(leaf, now, doubted=self._clock_fault is not None):
            return
        if leaf is not None:
            await self._ask(leaf, now)
        _, attempt = self._plan(leaf, now)
        is_wished, self._is_wished = self._is_wished, False
        if not is_wished and (now < attempt.at or self._broke_lately(now)):
            return
        if await self._has_right_clock(leaf, now, doubted=True):
            # Whatever breaks on the way in an unknown manner is not tried again at once.
            self._begun_at = now
            await self._try()
            self._begun_at = None

    def _broke_lately(self, now: datetime) -> bool:
        return self._begun_at is not None and self._begun_at <= now < self._begun_at + policy.FIRST_PAUSE

    def _plan(self, leaf: CertificateFacts | None, now: datetime) -> tuple[datetime, policy.Attempt]:
        chance = policy.chance_of(leaf)
        due = now if leaf is None else policy.renew_at(leaf, self._advice(leaf), chance)
        is_open = self._authority.has_open_order
        attempt = policy.next_attempt(
            self._log,
            due=min(due, now) if is_open else due,
            not_after=None if leaf is None else leaf.not_after,
            is_open=is_open,
            now=now,
            chance=chance,
        )
        return due, attempt

    def _leaf(self) -> CertificateFacts | None:
        """The present one, if an authority issued it for our names."""
        present = self._keeper.present()
        if present is None or not self._is_issued(present[1]):
            return None
        return present[1].leaf

    def _is_issued(self, chain: ServedChain) -> bool:
        alone = len(chain.path) == 1 and chain.leaf.is_self_signed
        return not alone and all(covers(chain.leaf, name) for name in self._names)

    def _advice(self, leaf: CertificateFacts | None) -> RenewalWindow | None:
        known = self._window
        return known[1] if known is not None and leaf is not None and known[0] == leaf.fingerprint else None

    async def _ask(self, leaf: CertificateFacts, now: datetime) -> None:
        known = self._window
        if known is not None and known[0] == leaf.fingerprint and now < known[2]:
            return
        present = self._keeper.present()
        if present is None or now >= leaf.not_after:
            return
        try:
            window = await self._authority.window(present[0])
        except Unavailable as error:
            log.warning("no renewal advice", reason=error.detail)
            self._window = leaf.fingerprint, self._advice(leaf), now + ASK_LATER
            return
        again = now + 6 * ASK_LATER if window is None else window.ask_again
        self._window = leaf.fingerprint, window, again

    async def _has_right_clock(self, leaf: CertificateFacts | None, now: datetime, *, doubted: bool) -> bool:
        """With a wrong clock nothing is ordered: all would be due at once, and again when it is set right.

        `doubted`: the authority's clock is looked at.
        """
        fault = policy.clock_fault(now, floor=policy.surely_past(leaf), witness=None)
        if doubted and fault is None:
            checked = self._clock_checked
            if checked is not None and checked <= now < checked + CLOCK_AGAIN:
                return False
            self._clock_checked = now
            try:
                witness = await self._authority.clock()
            except Unavailable as error:
                self._failed(error.detail, retry_after_s=error.retry_after_s)
                return False
            fault = policy.clock_fault(now, floor=now, witness=witness)
        if fault is None:
            self._clock_checked = None
        self._clock_fault = fault
        return fault is None

    async def _try(self) -> None:
        present = self._keeper.present()
        replaces = present[0] if present is not None and self._leaf() is not None else None
        try:
            pair = await self._authority.obtain(replaces_pem=replaces, on_order=self._ordered)
            await self._deploy(pair)
        except ValidationFailed as error:
            self._failed(error.detail, was_validation=True)
        except Unavailable as error:
            self._failed(error.detail, retry_after_s=error.retry_after_s)
        except Conflict as error:
            self._failed(error.detail)
        except OSError as error:
            self._failed(f"the new certificate cannot be kept: {error}")

    async def _deploy(self, pair: bytes) -> None:
        try:
            self._keeper.replace(pair)
        except Conflict:
            await self._authority.settle()
            raise
        await self._authority.settle()
        self._note(policy.succeeded(self._log, self._utc_now()))
        log.info("certificate renewed")

    def _ordered(self) -> None:
        self._note(policy.ordered(self._log, self._utc_now()))

    def _failed(self, error: str, *, was_validation: bool = False, retry_after_s: float | None = None) -> None:
        now = self._utc_now()
        later = None if retry_after_s is None else now + timedelta(seconds=retry_after_s)
        log.error("certificate not renewed", reason=error, was_validation=was_validation)
        entry = policy.failed(self._log, now, error=error, was_validation=was_validation, retry_after=later)
        try:
            self._note(entry)
        except OSError as lost:
            # What could not be kept still counts while this process lives.
            self._log = entry
            log.error("orders cannot be noted", reason=str(lost))

    def _note(self, entry: OrderLog) -> None:
        self._keeper.note(entry)
        self._log = entry

"""When a certificate is renewed, when an attempt at it may be made, and how loud its end is announced.

Wall time all along: validity and an authority's limits are counted in it, and outlive this process. Chance is
handed in: numbers in [0, 1). Asking, ordering and publishing are others' business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from app.domain.certificate import CertificateFacts, OrderLog, RenewalWindow
from app.domain.severity import Severity

SHORT_LIVED: Final = timedelta(days=10)
SPREAD: Final = 0.02
"""Part of the lifetime over which a fleet's renewals are spread."""
MOST_FAILED: Final = 3
FAILED_IN: Final = timedelta(hours=1)
MOST_ORDERS: Final = 4
ORDERS_IN: Final = timedelta(days=7)
FIRST_PAUSE: Final = timedelta(minutes=10)
LONGEST_PAUSE: Final = timedelta(hours=6)
CLOCK_MAY_BE_OFF: Final = timedelta(days=1)
WRITTEN: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""No clock that is right shows an earlier time."""
_MARGIN: Final = timedelta(seconds=1)


def renew_at(leaf: CertificateFacts, window: RenewalWindow | None, chance: float) -> datetime:
    """In the authority's window when there is one, else after two thirds of the lifetime, half of a short one.

    `chance` must be the same at each call for one certificate: the moment would wander otherwise.
    """
    if window is not None:
        return window.start + max(window.end - window.start, timedelta(0)) * chance
    share = 1 / 2 if leaf.lifetime < SHORT_LIVED else 2 / 3
    return leaf.not_before + leaf.lifetime * (share + SPREAD * chance)


def urgency(leaf: CertificateFacts, due: datetime, now: datetime) -> Severity | None:
    """How loud its end is announced: at a half, a quarter, an eighth of the time left when renewal was due."""
    left, at_due = leaf.not_after - now, leaf.not_after - min(due, leaf.not_after)
    if left <= at_due / 8:
        return Severity.CRITICAL
    if left <= at_due / 4:
        return Severity.WARNING
    if left <= at_due / 2:
        return Severity.INFO
    return None


@dataclass(frozen=True, slots=True)
class Attempt:
    """`at`: not before. `reason` says what holds it up, None: nothing but the time renewal is due."""

    at: datetime
    reason: str | None = None


def next_attempt(
    log: OrderLog,
    *,
    due: datetime,
    not_after: datetime | None,
    is_open: bool = False,
    now: datetime,
    chance: float,
) -> Attempt:
    """When to try for a new certificate. `not_after`: end of the present one, None: there is none to lose.

    `is_open`: an order was begun and is gone on with, so no new one is counted.
    """
    log = _sane(log, now)
    holds = [Attempt(due)]
    if log.failures and log.last_attempt is not None:
        pause = min(FIRST_PAUSE * 2 ** min(log.failures - 1, 10), LONGEST_PAUSE) * (0.9 + 0.2 * chance)
        holds.append(Attempt(log.last_attempt + pause, f"{log.failures} attempts failed: {log.last_error}"))
        if not is_open:
            holds.extend(_spared(log, not_after))
    if log.not_before is not None:
        holds.append(Attempt(log.not_before, "the authority asked to come later"))
    return max((*holds, *limits(log, now, is_open=is_open)), key=lambda attempt: attempt.at)


def limits(log: OrderLog, now: datetime, *, is_open: bool = False) -> tuple[Attempt, ...]:
    """What holds for a person's wish too: the authority would shut us out for longer."""
    log = _sane(log, now)
    found = []
    if len(log.failed) >= MOST_FAILED:
        at = log.failed[-MOST_FAILED] + FAILED_IN + _MARGIN
        found.append(Attempt(at, f"{MOST_FAILED} validations failed within an hour"))
    if len(log.orders) >= MOST_ORDERS and not is_open:
        at = log.orders[-MOST_ORDERS] + ORDERS_IN + _MARGIN
        found.append(Attempt(at, f"{MOST_ORDERS} orders within 7 days for the same names"))
    return tuple(found)


def _spared(log: OrderLog, not_after: datetime | None) -> tuple[Attempt, ...]:
    """The last orders of the 7 days are spread over the time that is left: what is wrong may be mended by then."""
    left = MOST_ORDERS - len(log.orders)
    if not_after is None or not 0 < left <= MOST_ORDERS // 2:
        return ()
    pause = min(max(not_after - log.orders[-1], timedelta(0)), ORDERS_IN) / (left + 1)
    return (Attempt(log.orders[-1] + pause, f"{left} orders are left for these 7 days"),)


def ordered(log: OrderLog, now: datetime) -> OrderLog:
    """The authority took an order."""
    known = _sane(log, now)
    return replace(known, orders=(*known.orders, now))


def failed(
    log: OrderLog, now: datetime, *, error: str, was_validation: bool, retry_after: datetime | None = None
) -> OrderLog:
    known = _sane(log, now)
    return replace(
        known,
        failed=(*known.failed, now) if was_validation else known.failed,
        failures=known.failures + 1,
        last_attempt=now,
        not_before=retry_after,
        last_error=error,
    )


def succeeded(log: OrderLog, now: datetime) -> OrderLog:
    known = _sane(log, now)
    return replace(known, failures=0, last_attempt=now, not_before=None, last_error=None)


def _sane(log: OrderLog, now: datetime) -> OrderLog:
    """Without what counts no more, and without what was noted by a clock that was ahead."""
    last, not_before = log.last_attempt, log.not_before
    return replace(
        log,
        orders=tuple(at for at in log.orders if now - ORDERS_IN < at <= now),
        failed=tuple(at for at in log.failed if now - FAILED_IN < at <= now),
        last_attempt=last if last is None or last <= now else None,
        not_before=not_before if not_before is None or not_before <= now + ORDERS_IN else None,
    )


def clock_fault(now: datetime, *, floor: datetime, witness: datetime | None) -> str | None:
    """Why our clock cannot be right, or None.

    `floor`: a time that is surely past. `witness`: what the authority's clock shows, None: not known.
    """
    if witness is not None:
        if abs(now - witness) <= CLOCK_MAY_BE_OFF:
            return None
        return f"the clock shows {now:%Y-%m-%d %H:%M}, the authority's {witness:%Y-%m-%d %H:%M} UTC"
    if now < floor - CLOCK_MAY_BE_OFF:
        return f"the clock shows {now:%Y-%m-%d}, before {floor:%Y-%m-%d}, which is past"
    return None


def surely_past(leaf: CertificateFacts | None) -> datetime:
    """The latest time that is known to be past, for `clock_fault`. `leaf`: issued by the authority.

    Our own notes are no evidence: the clock may have been wrong when they were made.
    """
    return WRITTEN if leaf is None else max(WRITTEN, leaf.not_before)


def chance_of(leaf: CertificateFacts | None) -> float:
    """A number in [0, 1) that stays the same for one certificate, and differs between those of a fleet."""
    return 0.5 if leaf is None else int(leaf.fingerprint[:8], 16) / 2**32

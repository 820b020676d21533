"""When a certificate is renewed, when an attempt at it may be made, and how loud its end is announced.

Wall time all along: validity and an authority's limits are counted in it, and outlive this process. Chance is
handed in: numbers in [0, 1). Asking, ordering and publishing are others' business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
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
    log: OrderLog, *, due: datetime, not_after: datetime | None, now: datetime, chance: float
) -> Attempt:
    """When to try for a new certificate. `not_after`: end of the present one, None: there is none to lose."""
    holds = [Attempt(due)]
    if log.failures and log.last_attempt is not None:
        pause = min(FIRST_PAUSE * 2 ** min(log.failures - 1, 10), LONGEST_PAUSE) * (0.9 + 0.2 * chance)
        holds.append(
            Attempt(log.last_attempt + pause, f"{log.failures} attempts failed, the last: {log.last_error}")
        )
        holds.extend(_spared(log, not_after, now))
    if log.not_before is not None:
        holds.append(Attempt(log.not_before, "the authority asked to come later"))
    return max((*holds, *limits(log, now)), key=lambda attempt: attempt.at)


def limits(log: OrderLog, now: datetime) -> tuple[Attempt, ...]:
    """What holds for a person's wish too: the authority would shut us out for longer."""
    found = []
    failed = _since(log.failed, now - FAILED_IN)
    if len(failed) >= MOST_FAILED:
        found.append(
            Attempt(failed[-MOST_FAILED] + FAILED_IN + _MARGIN, f"{MOST_FAILED} validations failed within an hour")
        )
    orders = _since(log.orders, now - ORDERS_IN)
    if len(orders) >= MOST_ORDERS:
        at = orders[-MOST_ORDERS] + ORDERS_IN + _MARGIN
        found.append(Attempt(at, f"{MOST_ORDERS} orders within 7 days for the same names"))
    return tuple(found)


def _spared(log: OrderLog, not_after: datetime | None, now: datetime) -> tuple[Attempt, ...]:
    """The last orders of the 7 days are spread over the time that is left: what is wrong may be mended by then."""
    orders = _since(log.orders, now - ORDERS_IN)
    left = MOST_ORDERS - len(orders)
    if not_after is None or not orders or left > MOST_ORDERS // 2 or left <= 0:
        return ()
    pause = min(max(not_after - orders[-1], timedelta(0)), ORDERS_IN) / (left + 1)
    return (Attempt(orders[-1] + pause, f"{left} orders are left for these 7 days"),)


def _since(times: tuple[datetime, ...], start: datetime) -> tuple[datetime, ...]:
    return tuple(at for at in times if at > start)


def ordered(log: OrderLog, now: datetime) -> OrderLog:
    """Noted before the order is sent: one too many counted does no harm, one too few does."""
    return replace(_recent(log, now), orders=(*_since(log.orders, now - ORDERS_IN), now))


def failed(
    log: OrderLog, now: datetime, *, error: str, was_validation: bool, retry_after: datetime | None = None
) -> OrderLog:
    known = _recent(log, now)
    return replace(
        known,
        failed=(*known.failed, now) if was_validation else known.failed,
        failures=known.failures + 1,
        last_attempt=now,
        not_before=retry_after,
        last_error=error,
    )


def succeeded(log: OrderLog, now: datetime) -> OrderLog:
    known = _recent(log, now)
    return replace(known, failures=0, last_attempt=now, not_before=None, last_error=None)


def _recent(log: OrderLog, now: datetime) -> OrderLog:
    return replace(log, orders=_since(log.orders, now - ORDERS_IN), failed=_since(log.failed, now - FAILED_IN))


def clock_fault(now: datetime, *, floor: datetime, witness: datetime | None) -> str | None:
    """Why our clock cannot be right, or None.

    `floor`: a time that is surely past. `witness`: what the authority's clock shows, None: not known.
    """
    if now < floor - CLOCK_MAY_BE_OFF:
        return f"the clock shows {now:%Y-%m-%d}, before {floor:%Y-%m-%d}, which is past"
    if witness is not None and abs(now - witness) > CLOCK_MAY_BE_OFF:
        return f"the clock shows {now:%Y-%m-%d %H:%M}, the authority's {witness:%Y-%m-%d %H:%M} UTC"
    return None

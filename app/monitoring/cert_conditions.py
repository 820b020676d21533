"""The conditions of a certificate's place, out of what was seen there. Telling them is the monitor's business."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from app.domain.certificate import PlaceKind, ServedChain
from app.domain.condition import Category, Condition, Subject, SubjectKind
from app.domain.severity import Severity
from app.monitoring.cert_watch import Watched, is_pinned
from app.policy import certificates as policy

DAY_S: Final = 86_400.0


def conditions_of(seen: Watched, now: datetime) -> Iterator[Condition]:
    """Those that hold."""
    if seen.place.kind is PlaceKind.OWN and seen.error is not None:
        yield _condition(seen, "certificate_not_served", Severity.WARNING, seen.error, now)
    if seen.chain is None or seen.verdict is None:
        return
    yield from _of_its_pin(seen, seen.chain, now)
    yield from _of_its_end(seen, seen.chain, now)
    if seen.verdict.fault is not None and not is_pinned(seen.place, seen.chain):
        is_ours = seen.place.kind is PlaceKind.OWN
        loud = Severity.CRITICAL if is_ours else Severity.WARNING
        severity = loud if seen.verdict.is_bad else Severity.INFO
        yield _condition(seen, "certificate_bad_chain", severity, seen.verdict.message, now)
    if seen.chain.crl_warning is not None:
        yield _condition(seen, "certificate_revocation_unknown", Severity.INFO, seen.chain.crl_warning, now)


def _of_its_pin(seen: Watched, chain: ServedChain, now: datetime) -> Iterator[Condition]:
    if seen.place.pin is not None and not is_pinned(seen.place, chain):
        text = f"another certificate than the accepted one is shown (SHA-256 {chain.leaf.fingerprint})"
        yield _condition(seen, "fingerprint_changed", Severity.CRITICAL, text, now)


def _of_its_end(seen: Watched, chain: ServedChain, now: datetime) -> Iterator[Condition]:
    leaf = chain.leaf
    due = policy.renew_at(leaf, None, 0.0) if seen.renewal_due is None else seen.renewal_due
    severity = policy.urgency(leaf, due, now)
    if severity is None:
        return
    left_days = (leaf.not_after - now).total_seconds() / DAY_S
    when = f"expires in {left_days:.1f} days" if left_days > 0 else "has expired"
    text = f"the certificate {when}, on {leaf.not_after:%Y-%m-%d %H:%M} UTC"
    yield _condition(seen, "certificate_expiring", severity, text, now, value=left_days)


def renewal_failed(names: tuple[str, ...], failures: int, reason: str, now: datetime) -> Condition:
    """`failures`: attempts in a row; 0: one on disk was refused."""
    return Condition(
        name="certificate_renewal_failed",
        subject=Subject(SubjectKind.CERTIFICATE, names[0]),
        is_active=True,
        severity=Severity.WARNING,
        category=Category.CERTIFICATE,
        at=now,
        summary=f"the certificate is not renewed: {reason}",
        value=float(failures),
    )


def clock_wrong(reason: str, now: datetime) -> Condition:
    return Condition(
        name="clock_wrong",
        subject=Subject(SubjectKind.SYSTEM, "clock"),
        is_active=True,
        severity=Severity.CRITICAL,
        category=Category.NTP,
        at=now,
        summary=reason,
    )


def _condition(
    seen: Watched, name: str, severity: Severity, text: str, now: datetime, *, value: float | None = None
) -> Condition:
    labels = []
    if seen.chain is not None:
        labels.append(("certificate", seen.chain.leaf.fingerprint))
    if seen.place.encoder_id is not None:
        labels.append(("encoder", str(seen.place.encoder_id)))
    return Condition(
        name=name,
        subject=Subject(SubjectKind.CERTIFICATE, seen.place.name),
        is_active=True,
        severity=severity,
        category=Category.CERTIFICATE,
        at=now,
        summary=f"{seen.place.name}: {text}",
        labels=tuple(labels),
        value=value,
    )

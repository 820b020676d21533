"""Certificates as they are served, and what is done about our own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.api.registry import Answer, Body
from app.monitoring.cert_monitor import OwnCertificate
from app.monitoring.cert_renewal import RenewalState
from app.monitoring.cert_watch import Watched


class ServedCertificate(Answer):
    name: str
    kind: str = Field(description="own: a port of ours; device: a hardware encoder's.")
    address: str
    encoder_id: str | None
    looked_at: datetime | None
    subject: str | None = None
    names: list[str] = Field(default_factory=list)
    issuer: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    fingerprint: str | None = Field(None, description="SHA-256 of the certificate, in hex.")
    pinned: str | None = Field(description="The only one that is accepted there, whoever signed it.")
    fault: str | None = Field(
        None, description="What is wrong with the chain: incomplete, unknown_root, expired, ..."
    )
    trusted: bool | None = Field(None, description="Clients accept the chain; null: not seen yet.")
    message: str | None = None
    warning: str | None = Field(None, description="Why revocation could not be looked up.")
    error: str | None = Field(description="Why nothing newer could be seen.")

    @classmethod
    def of(cls, seen: Watched) -> ServedCertificate:
        place, host = seen.place, seen.place.host
        shown = f"[{host}]" if ":" in host else host
        known: dict[str, object] = {}
        if seen.chain is not None and seen.verdict is not None:
            leaf = seen.chain.leaf
            known = {
                "subject": leaf.subject,
                "names": list(leaf.names),
                "issuer": leaf.issuer,
                "not_before": leaf.not_before,
                "not_after": leaf.not_after,
                "fingerprint": leaf.fingerprint,
                "fault": seen.verdict.fault,
                "trusted": not seen.verdict.is_bad,
                "message": seen.verdict.message,
                "warning": seen.chain.crl_warning,
            }
        return cls(
            name=place.name,
            kind=place.kind,
            address=f"{shown}:{place.port}",
            encoder_id=place.encoder_id,
            looked_at=seen.looked_at,
            pinned=place.pin,
            error=seen.error,
            **known,
        )


class RenewalView(Answer):
    due: datetime = Field(description="When the present certificate is to be renewed.")
    advised: bool = Field(description="`due` is the authority's own advice.")
    next_attempt: datetime
    held_up_by: str | None
    failures: int = Field(description="Attempts in a row that gave no certificate.")
    last_error: str | None
    clock_fault: str | None = Field(description="Why our clock cannot be right: nothing is ordered then.")

    @classmethod
    def of(cls, state: RenewalState) -> RenewalView:
        return cls(
            due=state.due,
            advised=state.is_advised,
            next_attempt=state.next_attempt,
            held_up_by=state.reason,
            failures=state.failures,
            last_error=state.last_error,
            clock_fault=state.clock_fault,
        )


class OwnCertificateView(Answer):
    names: list[str]
    refused: str | None = Field(description="Why the one on disk is not used; the one before goes on.")
    renewal: RenewalView | None = Field(description="null: somebody else renews it.")

    @classmethod
    def of(cls, own: OwnCertificate) -> OwnCertificateView:
        renewal = None if own.renewal is None else RenewalView.of(own.renewal)
        return cls(names=list(own.names), refused=own.refused, renewal=renewal)


class CertificateList(Answer):
    certificates: list[ServedCertificate]
    own: OwnCertificateView | None = Field(description="null: no port of ours has a certificate.")


class AcceptBody(Body):
    fingerprint: Annotated[
        str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of what the device shows now.")
    ]


class AcceptedCertificate(Answer):
    name: str
    fingerprint: str


class RenewalAccepted(Answer):
    name: str


class ReloadAnswer(Answer):
    changed: bool = Field(description="Another certificate than before is served from now on.")

"""Who may do what: scopes, keys and the principal that a valid key stands for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.ids import KeyId


class Scope(StrEnum):
    READ = "read"
    """See streams, encoders, metrics."""
    STREAMS = "streams"
    """Open, change and end streams."""
    ENCODERS = "encoders"
    """Control encoders: drain, stop, start, restart."""
    METRICS = "metrics"
    """Read the Prometheus metrics of the whole system, and nothing else: for the key of a scraper."""
    ALERTS = "alerts"
    """Acknowledge and silence alerts, test channels, hand in those of an Alertmanager. Seeing them needs read."""
    ADMIN = "admin"
    """Everything, keys included; implies every other scope."""


@dataclass(frozen=True, slots=True)
class Principal:
    """`tenant` bounds what is seen: a stream of another tenant does not exist. Admins see every tenant's."""

    key_id: KeyId
    tenant: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key: never its text, only the keyed hash of it and the last four characters."""

    key_id: KeyId
    name: str
    tenant: str
    scopes: frozenset[Scope]
    digest: str
    last4: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

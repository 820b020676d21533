"""API keys: made, checked, revoked."""

from __future__ import annotations

from app.domain.access import ApiKey, Principal, Scope
from app.domain.ids import KeyId
from app.domain.secret import Secret


class KeyService:
    async def authenticate(self, text: str) -> Principal:
        """Raises NotAuthenticated for whatever text is no valid key, Unavailable while the store is away."""
        raise NotImplementedError

    async def create(
        self, *, name: str, tenant: str, scopes: frozenset[Scope], lifetime_s: int
    ) -> tuple[ApiKey, Secret]:
        """The secret is shown this once."""
        raise NotImplementedError

    async def revoke(self, key_id: KeyId) -> None:
        raise NotImplementedError

    async def list(self) -> tuple[ApiKey, ...]:
        raise NotImplementedError

    async def ensure_bootstrap(self, secret: Secret) -> None:
        """Install the installer's admin key; a no-op when it is there."""
        raise NotImplementedError

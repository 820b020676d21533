"""API keys: made, listed, revoked. The key's text is in `CreatedKey` and nowhere else."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.api.registry import Answer, Body
from app.api.schemas.texts import Name, Word
from app.domain.access import ApiKey, Scope
from app.domain.secret import Secret


class KeyBody(Body):
    name: Name
    tenant: Word = "default"
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=8)]
    lifetime_s: Annotated[int, Field(ge=60, le=2 * 31_536_000)] = 90 * 86_400


class KeyView(Answer):
    key_id: str
    name: str
    tenant: str
    scopes: list[str]
    last4: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> KeyView:
        return cls(
            key_id=key.key_id,
            name=key.name,
            tenant=key.tenant,
            scopes=sorted(key.scopes),
            last4=key.last4,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )


class WhoAmI(Answer):
    key_id: str
    tenant: str
    scopes: list[str]


class KeyList(Answer):
    keys: list[KeyView]


class CreatedKey(Answer):
    """`api_key` is shown this once."""

    api_key: str
    key: KeyView

    @classmethod
    def of(cls, key: ApiKey, secret: Secret) -> CreatedKey:
        return cls(api_key=secret.reveal(), key=KeyView.of(key))


class RevokedKey(Answer):
    key_id: str
    revoked: bool = True

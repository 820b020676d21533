"""API keys: made, checked, revoked.

A key is `emk_live_`, 43 characters of 256 random bits, `_` and a checksum of six characters, so that scanners for
leaked keys know one when they see it. It is kept as HMAC-SHA-256 under the installation's pepper: a stolen database
opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from app.domain.access import ApiKey, Principal, Scope
from app.domain.errors import Conflict, InvalidRequest, InvalidSettings, NotAuthenticated, NotFound
from app.domain.ids import KeyId
from app.domain.secret import Secret
from app.ports.store import Store
from app.runtime.clock import monotonic, utc_now
from app.services.names import new_id, new_secret

PREFIX: Final = "emk_live_"
MAX_KEY_CHARS: Final = 256
CACHE_S: Final = 3.0
"""A revocation made elsewhere is seen within this time."""
CACHE_KEYS: Final = 4_096
MIN_BOOTSTRAP_CHARS: Final = 32
BOOTSTRAP_LIFETIME: Final = timedelta(days=3650)
LIFETIME_S: Final = (60, 3 * 366 * 24 * 3600)
MAX_NAME_CHARS: Final = 200
TENANT_CHARS: Final = 128

_REFUSED: Final = "the API key is missing, unknown, expired or revoked"


@dataclass(frozen=True, slots=True)
class _Cached:
    key: ApiKey | None
    until: float


class KeyService:
    def __init__(self, *, store: Store, pepper: Secret) -> None:
        if len(pepper.reveal()) < 16:
            raise InvalidSettings("key_pepper is missing or shorter than 16 characters")
        self._store = store
        self._pepper = pepper.reveal().encode()
        self._cache: OrderedDict[str, _Cached] = OrderedDict()

    async def authenticate(self, text: str) -> Principal:
        """Raises NotAuthenticated for whatever text is no valid key, Unavailable while the store is away."""
        if not 0 < len(text) <= MAX_KEY_CHARS or not text.isascii():
            raise NotAuthenticated(_REFUSED)
        key = await self._find(self._digest(text))
        if key is None or key.revoked_at is not None or utc_now() >= key.expires_at:
            raise NotAuthenticated(_REFUSED)
        return Principal(key.key_id, key.tenant, key.scopes)

    async def create(
        self, *, name: str, tenant: str, scopes: frozenset[Scope], lifetime_s: int
    ) -> tuple[ApiKey, Secret]:
        """The secret is shown this once. Raises InvalidRequest."""
        least, most = LIFETIME_S
        if not least <= lifetime_s <= most:
            raise InvalidRequest(f"lifetime_s: {lifetime_s} is outside {least} to {most}")
        if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
            raise InvalidRequest(f"name: 1 to {MAX_NAME_CHARS} printable characters")
        if not 0 < len(tenant) <= TENANT_CHARS or not tenant.isprintable():
            raise InvalidRequest(f"tenant: 1 to {TENANT_CHARS} printable characters")
        if not scopes:
            raise InvalidRequest("scopes: at least one")
        secret = new_api_key()
        key = self._key(secret, name=name, tenant=tenant, scopes=scopes, lifetime=timedelta(seconds=lifetime_s))
        await self._store.add_key(key)
        self._cache.pop(key.digest, None)
        return key, secret

    async def revoke(self, key_id: KeyId) -> None:
        """Raises NotFound. In force at once here, within seconds at other controls of the same store."""
        if not await self._store.revoke_key(key_id, utc_now()):
            raise NotFound(f"no key {key_id}")
        # What is being read right now may be from before: it goes into the old cache, which nobody asks again.
        self._cache = OrderedDict()

    async def list(self) -> tuple[ApiKey, ...]:
        return await self._store.keys()

    async def ensure_bootstrap(self, secret: Secret) -> None:
        """Install the installer's admin key; a no-op when it is there, even revoked. Raises InvalidSettings."""
        text = secret.reveal()
        if not MIN_BOOTSTRAP_CHARS <= len(text) <= MAX_KEY_CHARS or not text.isascii():
            raise InvalidSettings(f"bootstrap_api_key: {MIN_BOOTSTRAP_CHARS} to {MAX_KEY_CHARS} ASCII characters")
        if await self._store.key_by_digest(self._digest(text)) is not None:
            return
        scopes = frozenset({Scope.ADMIN})
        key = self._key(secret, name="bootstrap", tenant="default", scopes=scopes, lifetime=BOOTSTRAP_LIFETIME)
        try:
            await self._store.add_key(key)
        except Conflict:
            return  # another start was faster
        self._cache.clear()

    def _key(
        self, secret: Secret, *, name: str, tenant: str, scopes: frozenset[Scope], lifetime: timedelta
    ) -> ApiKey:
        now = utc_now()
        digest, last4 = self._digest(secret.reveal()), secret.reveal()[-4:]
        return ApiKey(KeyId(new_id("key")), name, tenant, scopes, digest, last4, now, now + lifetime)

    async def _find(self, digest: str) -> ApiKey | None:
        """Looks up by the digest, so no comparison with a stored key's text takes place at all."""
        now, cache = monotonic(), self._cache
        cached = cache.get(digest)
        if cached is not None and now < cached.until:
            return cached.key
        key = await self._store.key_by_digest(digest)
        cache[digest] = _Cached(key, now + CACHE_S)
        cache.move_to_end(digest)
        while len(cache) > CACHE_KEYS:
            cache.popitem(last=False)
        return key

    def _digest(self, text: str) -> str:
        return hmac.new(self._pepper, text.encode(), hashlib.sha256).hexdigest()


def new_api_key() -> Secret:
    """The text of a new key, of no meaning until it is stored."""
    body = new_secret().reveal()
    return Secret(f"{PREFIX}{body}_{_checksum(body)}")


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()) & 0xFFFFFF:06x}"

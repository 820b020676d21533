"""API keys over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.adapters.store.sql_store import SqlStore
from app.domain.access import ApiKey, Scope
from app.domain.errors import InvalidRequest, InvalidSettings, NotAuthenticated, NotFound
from app.domain.ids import KeyId
from app.domain.secret import Secret
from app.services import key_service
from app.services.key_service import KeyService

PEPPER = Secret("pepper-of-these-tests")
DAY_S = 86_400


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(f"sqlite+aiosqlite:///{tmp_path}/k.db", seal_key=Secret("seal-key-of-tests"))
    yield store
    await store.close()


@pytest.fixture
def keys(store: SqlStore) -> KeyService:
    return KeyService(store=store, pepper=PEPPER)


def _bytes_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("k.db*"))


async def make(keys: KeyService, *scopes: Scope) -> tuple[KeyId, str]:
    key, secret = await keys.create(name="n", tenant="acme", scopes=frozenset(scopes), lifetime_s=DAY_S)
    return key.key_id, secret.reveal()


async def test_a_new_key_opens_what_its_scopes_say(keys: KeyService) -> None:
    key_id, text = await make(keys, Scope.READ)
    who = await keys.authenticate(text)
    assert (who.key_id, who.tenant, who.scopes) == (key_id, "acme", frozenset({Scope.READ}))
    assert text.startswith("emk_live_")
    assert len(text) >= 9 + 43


async def test_the_store_holds_nothing_that_opens_anything(
    keys: KeyService, store: SqlStore, tmp_path: Path
) -> None:
    _, text = await make(keys, Scope.READ)
    (kept,) = await keys.list()
    assert text not in repr(kept)
    assert kept.last4 == text[-4:]
    with pytest.raises(NotAuthenticated):
        await keys.authenticate(kept.digest)
    files = _bytes_under(tmp_path)
    assert kept.digest.encode() in files
    assert text[9:30].encode() not in files
    with pytest.raises(NotAuthenticated):
        await KeyService(store=store, pepper=Secret("another-pepper-here")).authenticate(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "x", "ключ" * 8, "emk_live_", "a" * 1_000_000, "\x00", "\ud800", "emk_live_" + "A" * 43 + "_000000"],
)
async def test_whatever_is_no_key_is_not_authenticated(keys: KeyService, text: str) -> None:
    with pytest.raises(NotAuthenticated):
        await keys.authenticate(text)


async def test_a_revoked_key_is_refused_at_once_here(keys: KeyService) -> None:
    key_id, text = await make(keys, Scope.READ)
    await keys.authenticate(text)
    await keys.revoke(key_id)
    with pytest.raises(NotAuthenticated):
        await keys.authenticate(text)
    with pytest.raises(NotFound):
        await keys.revoke(KeyId("key_unknown"))


async def test_a_key_that_was_being_read_while_it_was_revoked_is_not_remembered(
    keys: KeyService, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id, text = await make(keys, Scope.READ)
    found, go_on, read = asyncio.Event(), asyncio.Event(), store.key_by_digest

    async def slow(digest: str) -> ApiKey | None:
        key = await read(digest)
        found.set()
        await go_on.wait()
        return key

    monkeypatch.setattr(store, "key_by_digest", slow)
    reading = asyncio.create_task(keys.authenticate(text))
    await found.wait()
    await keys.revoke(key_id)
    go_on.set()
    await reading
    with pytest.raises(NotAuthenticated):
        await keys.authenticate(text)


async def test_a_revocation_elsewhere_is_seen_when_the_short_memory_ends(
    keys: KeyService, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(key_service, "monotonic", lambda: now[0])
    key_id, text = await make(keys, Scope.READ)
    await keys.authenticate(text)
    await KeyService(store=store, pepper=PEPPER).revoke(key_id)
    now[0] += 5.0
    with pytest.raises(NotAuthenticated):
        await keys.authenticate(text)


async def test_an_expired_key_is_refused_though_it_is_remembered(
    keys: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = await keys.create(name="n", tenant="t", scopes=frozenset({Scope.READ}), lifetime_s=60)
    await keys.authenticate(secret.reveal())
    monkeypatch.setattr(key_service, "utc_now", lambda: key.expires_at)
    with pytest.raises(NotAuthenticated):
        await keys.authenticate(secret.reveal())


async def test_the_bootstrap_key_is_installed_once_and_stays_revoked(keys: KeyService) -> None:
    secret = Secret("emk_live_" + "b" * 43)
    await keys.ensure_bootstrap(secret)
    await keys.ensure_bootstrap(secret)
    (kept,) = await keys.list()
    assert (await keys.authenticate(secret.reveal())).may(Scope.ENCODERS)
    await keys.revoke(kept.key_id)
    await keys.ensure_bootstrap(secret)
    with pytest.raises(NotAuthenticated):
        await keys.authenticate(secret.reveal())


async def test_weak_settings_and_senseless_keys_are_refused(keys: KeyService, store: SqlStore) -> None:
    with pytest.raises(InvalidSettings):
        KeyService(store=store, pepper=Secret("short"))
    with pytest.raises(InvalidSettings):
        await keys.ensure_bootstrap(Secret("short"))
    good = {"name": "n", "tenant": "t", "scopes": frozenset({Scope.READ}), "lifetime_s": DAY_S}
    for wrong in (
        {"name": ""},
        {"name": "a\nb"},
        {"tenant": "x" * 129},
        {"scopes": frozenset()},
        {"lifetime_s": 1},
    ):
        with pytest.raises(InvalidRequest):
            await keys.create(**{**good, **wrong})  # type: ignore[arg-type]

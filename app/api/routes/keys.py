"""API keys, for administrators."""

from __future__ import annotations

from app.api.registry import Call, Endpoint, NoBody, RateKind
from app.api.schemas.keys import CreatedKey, KeyBody, KeyList, KeyView, RevokedKey, WhoAmI
from app.api.services import DoorServices
from app.domain.access import Scope
from app.domain.errors import Conflict, NotFound, Unavailable
from app.domain.ids import KeyId

TAG = "keys"


class KeyRoutes:
    def __init__(self, services: DoorServices) -> None:
        self._keys = services.keys

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="whoami",
                method="GET",
                path="/whoami",
                handler=self.whoami,
                summary="What the key of this request may do",
                scope=Scope.READ,
                tag=TAG,
                answer=WhoAmI,
            ),
            Endpoint(
                name="list_keys",
                method="GET",
                path="/keys",
                handler=self.list_all,
                summary="All API keys, without their text",
                scope=Scope.ADMIN,
                tag=TAG,
                answer=KeyList,
                errors=(Unavailable,),
            ),
            Endpoint(
                name="create_key",
                method="POST",
                path="/keys",
                handler=self.create,
                summary="Make an API key; its text is shown in this answer only",
                scope=Scope.ADMIN,
                tag=TAG,
                body=KeyBody,
                answer=CreatedKey,
                status=201,
                rate=RateKind.WRITE,
                errors=(Unavailable,),
            ),
            Endpoint(
                name="revoke_key",
                method="DELETE",
                path="/keys/{key_id}",
                handler=self.revoke,
                summary="Revoke an API key; open connections end within 5 seconds",
                scope=Scope.ADMIN,
                tag=TAG,
                answer=RevokedKey,
                rate=RateKind.WRITE,
                errors=(NotFound, Conflict, Unavailable),
            ),
        )

    async def whoami(self, call: Call[NoBody]) -> WhoAmI:
        return WhoAmI(key_id=call.who.key_id, tenant=call.who.tenant, scopes=sorted(call.who.scopes))

    async def list_all(self, call: Call[NoBody]) -> KeyList:
        return KeyList(keys=[KeyView.of(key) for key in await self._keys.list()])

    async def create(self, call: Call[KeyBody]) -> CreatedKey:
        key, secret = await self._keys.create(
            name=call.body.name,
            tenant=call.body.tenant,
            scopes=frozenset(call.body.scopes),
            lifetime_s=call.body.lifetime_s,
        )
        return CreatedKey.of(key, secret)

    async def revoke(self, call: Call[NoBody]) -> RevokedKey:
        key_id = KeyId(call.params["key_id"])
        await self._keys.revoke(key_id)
        return RevokedKey(key_id=key_id)

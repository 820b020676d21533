"""Carries a registry row out over aiohttp: key, scope, rate, body, handler, answer, in that order.

Nothing here knows what any row does.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from app.api.access import Gatekeeper, bearer
from app.api.bodies import read_body, read_query
from app.api.idempotency import IdempotencyBook
from app.api.limits import DoorLimits, KeyLoad, RateBooks
from app.api.peers import Network, address_of, scheme_of
from app.api.problems import MalformedRequest, kind_of
from app.api.registry import ANYONE, Answer, Body, Call, Endpoint, NoBody, Raw, Registry, WithStatus
from app.domain.access import Principal
from app.domain.errors import ManagerError, NotAllowed

PARAM: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}")
"""Every id of ours; so no path parameter can ever be a path."""

AioHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """What all rows share. `now`: monotonic seconds. `count` is told each row's name, status and seconds."""

    def __init__(
        self,
        *,
        gatekeeper: Gatekeeper,
        books: RateBooks,
        load: KeyLoad,
        limits: DoorLimits,
        trusted: tuple[Network, ...],
        now: Callable[[], float],
        count: Callable[[str, int, float], None],
    ) -> None:
        self._gatekeeper = gatekeeper
        self._books = books
        self._load = load
        self._limits = limits
        self._trusted = trusted
        self._now = now
        self._count = count
        self._answers = IdempotencyBook()

    def mount(self, app: web.Application, registry: Registry) -> None:
        for method, path, endpoint in registry.rows():
            app.router.add_route(method, path, self._handler(endpoint))

    def _handler(self, endpoint: Endpoint) -> AioHandler:
        async def handle(request: web.Request) -> web.StreamResponse:
            begun, status = self._now(), 500
            try:
                response = await self._answer(endpoint, request)
                status = response.status
                return response
            except ManagerError as error:
                status = kind_of(error).status
                raise
            finally:
                self._count(endpoint.name, status, self._now() - begun)

        return handle

    async def _answer(self, endpoint: Endpoint, request: web.Request) -> web.Response:
        if endpoint.scope is None:
            headers = self._books.spend(endpoint.rate, address_of(request, self._trusted), self._now())
            response = await self._carry_out(endpoint, request, ANYONE)
            response.headers.update(headers)
            return response
        who = await self._admit(endpoint, request)
        self._load.enter(who.key_id)
        try:
            headers = self._books.spend(endpoint.rate, who.key_id, self._now())
            response = await self._carry_out(endpoint, request, who)
        finally:
            self._load.leave(who.key_id)
        response.headers.update(headers)
        return response

    async def _admit(self, endpoint: Endpoint, request: web.Request) -> Principal:
        key = bearer(request.headers.getall("Authorization", []))
        who = await self._gatekeeper.admit(key, address_of(request, self._trusted))
        if endpoint.scope is not None and not who.may(endpoint.scope):
            raise NotAllowed(f"this key lacks the scope '{endpoint.scope}'")
        return who

    async def _carry_out(self, endpoint: Endpoint, request: web.Request, who: Principal) -> web.Response:
        call = Call(
            who=who,
            body=await self._body(endpoint, request),
            params=_params(request),
            base_url=f"{scheme_of(request, self._trusted)}://{request.host}",
        )
        name = request.headers.get("Idempotency-Key") if endpoint.idempotent_by_key else None
        if name is None:
            return respond(endpoint, await endpoint.handler(call))
        return await self._once(endpoint, call, name)

    async def _body(self, endpoint: Endpoint, request: web.Request) -> Body:
        if endpoint.takes_query:
            return read_query(request, endpoint.body)
        if not endpoint.takes_body:
            return NoBody()
        return await read_body(request, endpoint.body, deadline_s=self._limits.body_deadline_s)

    async def _once(self, endpoint: Endpoint, call: Call[Any], name: str) -> web.Response:
        key_id = call.who.key_id
        before = self._answers.begin(key_id, name, _asked(endpoint, call), self._now())
        if before is not None:
            response = _json(before, endpoint.status)
            response.headers["Idempotency-Replayed"] = "true"
            return response
        try:
            result = await endpoint.handler(call)
        except BaseException:
            self._answers.give_up(key_id, name)
            raise
        content = result.model_dump_json().encode() if isinstance(result, Answer) else b""
        self._answers.finish(key_id, name, content)
        return _json(content, endpoint.status)


def _asked(endpoint: Endpoint, call: Call[Any]) -> bytes:
    """All that tells this request from another one under the same Idempotency-Key."""
    return "\n".join((endpoint.name, *call.params.values(), call.body.model_dump_json())).encode()


def _params(request: web.Request) -> dict[str, str]:
    for name, value in request.match_info.items():
        if not PARAM.fullmatch(value):
            raise MalformedRequest(f"the path's {name} is no id: letters, digits and _ . : - only, at most 128")
    return dict(request.match_info)


def respond(endpoint: Endpoint, result: Answer | Raw | WithStatus) -> web.Response:
    if isinstance(result, Raw):
        return web.Response(body=result.content, headers={"Content-Type": result.content_type})
    if isinstance(result, WithStatus):
        return _json(result.body.model_dump_json().encode(), result.status)
    return _json(result.model_dump_json().encode(), endpoint.status)


def _json(content: bytes, status: int) -> web.Response:
    return web.Response(body=content, status=status, content_type="application/json", charset="utf-8")

"""The web interface of a HELO: parameters, login, descriptors, long poll, clips, preview, clock.

Leaves to others: what a parameter does (`writes`), bodies (`answers`), listening (`simulator`).
"""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from app.simulators.helo import answers
from app.simulators.helo.faults import Faults
from app.simulators.helo.parameters import PREFIX
from app.simulators.helo.polls import Polls, events
from app.simulators.helo.preview import Preview
from app.simulators.helo.quirks import ExpiredPoll, QuietPoll, RebootAnswer, Unknown, WhileDown, WrongPassword
from app.simulators.helo.sessions import Sessions
from app.simulators.helo.unit import Unit
from app.simulators.helo.writes import Written, delete_clips, write

_HTML: Final = "text/html"
_JSON: Final = "text/json"
_SERVER: Final = "Seminole/2.71 (Linux; DF7)"
_LOGIN: Final = "/authenticator/login"
_MOST_BODY_BYTES: Final = 64 * 1024
_CLIP_BYTES: Final = 64 * 1024
_ALPHABET: Final = string.ascii_letters + string.digits

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Doors:
    """`changed(timeout_s)` returns at the next change, or after that time, which may be None."""

    def __init__(
        self,
        unit: Unit,
        faults: Faults,
        sessions: Sessions,
        *,
        monotonic: Callable[[], float],
        changed: Callable[[float | None], Awaitable[None]],
        touched: Callable[[], None],
    ) -> None:
        self._unit = unit
        self._faults = faults
        self.sessions = sessions
        self.polls = Polls(unit.timing.poll_life_s)
        self._monotonic = monotonic
        self._changed = changed
        self._touched = touched
        self._preview = Preview()

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._enter], client_max_size=_MOST_BODY_BYTES)
        application.router.add_get("/config", self._config)
        application.router.add_post(_LOGIN, self._login)
        application.router.add_get("/descriptors", self._descriptors)
        application.router.add_get("/desc.json", self._all_descriptors)
        application.router.add_get("/clips", self._clips)
        application.router.add_post("/clips", self._change_clips)
        application.router.add_get("/media0/{name}", self._media)
        application.router.add_get("/wall/videofeed.jpg", self._videofeed)
        application.router.add_get("/clock", self._clock)
        return application

    @web.middleware
    async def _enter(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Faults first, then the password; the unit is brought up to now before and told about after."""
        faults = self._faults
        if faults.hangs:
            await asyncio.Event().wait()
        if faults.delay_s > 0:
            await asyncio.sleep(faults.delay_s)
        now = self._monotonic()
        self._unit.tick(now)
        if not self._unit.world.has_network:
            return _dropped(request)
        if not self._unit.power.is_up(now):
            if self._unit.quirks.while_down is WhileDown.BUSY and not self._unit.power.is_off:
                return _answer("", status=503)
            return _dropped(request)
        if faults.not_found_left > 0:
            faults.not_found_left -= 1
            return _not_found()
        if faults.speaks_nonsense and request.path != _LOGIN:
            return _answer('{"paramid":"", name: eParamID_, "value":')
        if request.path != _LOGIN and not self._may_enter(request, now):
            return _not_found()
        try:
            response = await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            return _not_found()
        finally:
            if request.query.get("action") != "get":
                self._touched()
        return await _cut(request, response) if faults.cuts_answers else response

    def _may_enter(self, request: web.Request, now: float) -> bool:
        if self._unit.memory.get("Authentication") != "1":
            return True
        return self.sessions.knows(request.cookies.get("session", ""), now)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        token = self.sessions.open(str(form.get("password_provided", "")), self._monotonic(), _random)
        if token is None:
            if self._unit.quirks.wrong_password is WrongPassword.NOT_FOUND:
                return _not_found()
            return _answer(answers.compact(answers.NOT_LOGGED_IN))
        response = _answer(answers.compact(answers.LOGGED_IN))
        response.headers["Set-Cookie"] = f"session={token}; path=/"
        return response

    async def _config(self, request: web.Request) -> web.StreamResponse:
        name = _name(request)
        match request.query.get("action"):
            case "set" if "value" in request.query:
                return self._write(request, name, request.query["value"])
            case "get" | "set":
                # The maker's own examples read with a set that has no value.
                return self._parameter(request, name)
            case "connect":
                return self._connect()
            case "wait_for_config_events":
                return await self._wait(request)
        raise web.HTTPNotFound

    def _parameter(self, request: web.Request, name: str) -> web.StreamResponse:
        unit = self._unit
        if unit.memory.seen(name) is None and unit.quirks.unknown is not Unknown.EMPTY:
            if unit.quirks.unknown is Unknown.CLOSED:
                return _dropped(request)
            return _not_found() if unit.quirks.unknown is Unknown.NOT_FOUND else _answer("", status=403)
        invalid = unit.quirks.invalid_selector_names
        return _answer(answers.compact(answers.parameter_answer(unit.memory, name, invalid_selectors=invalid)))

    def _write(self, request: web.Request, name: str, value: str) -> web.StreamResponse:
        now = self._monotonic()
        match write(self._unit, name, value, now):
            case Written.FORBIDDEN:
                return _answer("", status=403)
            case Written.NOT_FOUND:
                return _not_found()
            case Written.CLOSED:
                return _dropped(request)
            case Written.REBOOTS if self._unit.quirks.reboot_answer is RebootAnswer.NONE:
                return _dropped(request)
            case _:
                self._unit.tick(now)
                return self._parameter(request, name)

    def _connect(self) -> web.StreamResponse:
        number = self.polls.open(self._monotonic(), self._unit.memory.changes)
        shown = number if self._unit.quirks.numeric_connection_id else str(number)
        return _answer(answers.compact({"connectionid": shown}), kind=_JSON)

    async def _wait(self, request: web.Request) -> web.StreamResponse:
        text = request.query.get("connectionid", "")
        number = int(text) if text.isdecimal() else 0
        seen = self.polls.seen(number, self._monotonic())
        if seen is None:
            if self._unit.quirks.expired_poll is ExpiredPoll.OBJECT:
                return _answer(answers.compact({"error": "invalid connection"}), kind=_JSON)
            return _not_found()
        quiet = self._unit.quirks.quiet_poll
        until = self._monotonic() + self._unit.timing.quiet_poll_s
        while self._unit.memory.changes == seen:
            left_s = None if quiet is QuietPoll.FOREVER else until - self._monotonic()
            if left_s is not None and left_s <= 0:
                if quiet is QuietPoll.CLOSE:
                    return _dropped(request)
                break
            await self._changed(left_s)
        now = self._monotonic()
        if not self._unit.power.is_up(now):
            return _dropped(request)
        self.polls.told(number, now, self._unit.memory.changes)
        return _answer(answers.compact(events(self._unit.memory.since(seen))), kind=_JSON)

    async def _descriptors(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("paramid") == "*":
            return await self._all_descriptors(request)
        parameter = self._unit.memory.seen(_name(request))
        found = [] if parameter is None else [answers.descriptor(parameter)]
        return _answer(answers.compact(found))

    async def _all_descriptors(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self._unit.timing.descriptors_s)
        everything = [answers.descriptor(one) for one in self._unit.memory.all_seen()]
        return _answer(answers.compact(everything))

    def _primary_clips(self) -> list[str]:
        medium = self._unit.storage.at(self._unit.memory.number("RecordingDestination"))
        return [] if medium is None or not medium.is_mounted(self._monotonic()) else medium.clips

    async def _clips(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("action") != "get_clips":
            raise web.HTTPNotFound
        return _answer(answers.clip_list(self._primary_clips(), quoted=self._unit.quirks.quoted_clips))

    async def _change_clips(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if form.get("action") != "delete":
            raise web.HTTPNotFound
        delete_clips(self._unit, str(form.get("clipname", "")))
        return _answer("{}")

    async def _media(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if not self._unit.is_in_transfer or name not in self._primary_clips():
            raise web.HTTPNotFound
        headers = {"Content-disposition": f"attachment; filename={name}", "Server": _SERVER}
        return web.Response(body=bytes(_CLIP_BYTES), content_type="video/quicktime", headers=headers)

    async def _videofeed(self, request: web.Request) -> web.StreamResponse:
        picture = await self._preview.jpeg(self._unit.look, self._monotonic())
        headers = {"Server": _SERVER, "Cache-Control": "no-cache"}
        return web.Response(body=picture, content_type="image/jpeg", headers=headers)

    async def _clock(self, request: web.Request) -> web.StreamResponse:
        shown = datetime.fromtimestamp(self._unit.clock.time_s(self._monotonic()), UTC)
        return _answer(shown.strftime("%m/%d/%Y %H:%M:%S"))


def _name(request: web.Request) -> str:
    """The parameter's name without prefix; empty for what has none: no parameter is called like that."""
    asked = request.query.get("paramid", "")
    return asked.removeprefix(PREFIX) if asked.startswith(PREFIX) else ""


def _answer(text: str, *, status: int = 200, kind: str = _HTML) -> web.Response:
    headers = {"Server": _SERVER, "Cache-Control": "no-cache"}
    response = web.Response(text=text, status=status, content_type=kind, headers=headers)
    response.enable_chunked_encoding()
    return response


def _not_found() -> web.Response:
    return _answer(answers.NOT_FOUND_PAGE, status=404)


def _dropped(request: web.Request) -> web.Response:
    """The client meets a reset; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    body = response.body if isinstance(response, web.Response) else None
    partial = web.StreamResponse(status=response.status, headers=response.headers)
    partial.headers.popall("Content-Length", None)
    partial.enable_chunked_encoding()
    await partial.prepare(request)
    if isinstance(body, bytes):
        await partial.write(body[: len(body) // 2])
    return _dropped(request)


def _random(count: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(count))

"""Asks one HELO, one request at a time: logs in when it must, and leaves it in peace when it does not answer.

404 mostly means "not logged in" here: one login with one repetition tells it from "no such parameter". What an
answer means for the manager is `aja_helo.py`'s, how bytes travel `http.py`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from app.adapters.encoders.helo import http, parameters, wire
from app.adapters.encoders.helo.http import Http, Lost, NotReached, Reply, TooSlow
from app.adapters.encoders.helo.patience import PATIENCE, Patience
from app.adapters.encoders.helo.wire import Garbled, Parameter
from app.domain.device import Reach
from app.domain.errors import DeviceError, ManagerError, NotAuthenticated, Unavailable
from app.domain.secret import Secret
from app.policy.breaker import Breaker
from app.runtime.clock import monotonic

R = TypeVar("R")
Dice = Callable[[], float]
_ABSENT: Final = frozenset({400, 403, 404})
_LOGGED_OUT: Final = frozenset({401, 404})
_OK: Final = 200
_AWAY: Final = 503
_JPEG: Final = b"\xff\xd8"


class NotLetIn(Unavailable):
    """It wanted a login, and that came to nothing: what was asked was not done. `why`: how the login ended."""

    def __init__(self, why: Lost | TooSlow | Garbled) -> None:
        super().__init__(f"it lets nobody in: {why}")
        self.why = why


class HeloClient:
    """`dice` gives numbers from 0 to 1, for the breaker's jitter."""

    def __init__(self, *, link: Http, password: Secret | None, dice: Dice, patience: Patience = PATIENCE) -> None:
        self._http = link
        self._patience = patience
        self._password = password
        self._dice = dice
        self._turn = asyncio.Lock()
        self._session: str | None = None
        self._breaker = Breaker()
        self.reach = Reach.UNTRIED

    async def get(self, param_id: str) -> Parameter | None:
        """None: the device does not have it."""
        return await self._speak(wire.get_query(param_id), lambda body: wire.read_parameter(body, param_id))

    async def put(self, param_id: str, value: str) -> bool:
        """Whether it took the write, as far as its answer tells: who needs to know reads back. Sent once."""
        path = wire.set_query(param_id, value)
        return await self._speak(path, lambda body: wire.read_parameter(body, param_id)) is not None

    async def descriptors(self) -> bytes:
        found = await self._speak(
            wire.DESCRIPTORS_PATH,
            lambda body: body,
            timeout_s=self._patience.descriptors_s,
            limit_bytes=http.DESCRIPTORS_BYTES,
        )
        if found is None:
            raise DeviceError("it has no list of its parameters")
        return found

    async def picture(self, number: int) -> bytes:
        """A JPEG. `number` keeps what lies between from answering with an older one."""
        path = f"{wire.PICTURE_PATH}?{number}"
        found = await self._speak(path, _jpeg, limit_bytes=http.PICTURE_BYTES)
        if found is None:
            raise DeviceError("it gives no picture of its input")
        return found

    async def ask_beside(self, path: str, *, waits: bool) -> bytes:
        """For events, on a connection of their own: how it ends is no sign of how the device is.

        `waits`: for as long as nothing changes. Raises Unavailable or Garbled; any answer but 200 is garbled.
        """
        timeout_s = self._patience.events_s if waits else self._patience.answer_s
        reply = await self._http.ask(path, cookie=self._session, timeout_s=timeout_s, limit_bytes=http.EVENTS_BYTES)
        if reply.status != _OK:
            raise Garbled(f"it answered {reply.status}")
        return reply.body

    def forget_session(self) -> None:
        """The device restarts: what it gave before holds no more."""
        self._session = None

    async def close(self) -> None:
        await self._http.close()

    async def _speak(
        self,
        path: str,
        read: Callable[[bytes], R],
        *,
        timeout_s: float | None = None,
        limit_bytes: int = http.ANSWER_BYTES,
    ) -> R | None:
        """What `read` makes of the answer; None: refused, or there is no such thing."""
        async with self._turn:
            wait_s = self._breaker.wait_s(monotonic())
            if wait_s > 0:
                raise Unavailable("it did not answer lately and is left in peace", retry_after_s=wait_s)
            self._breaker = self._breaker.began(monotonic())
            try:
                answer = await self._answer(
                    path, read, timeout_s=timeout_s or self._patience.answer_s, limit_bytes=limit_bytes
                )
            except ManagerError as error:
                self._failed(error)
                raise
            except Garbled as error:
                self._failed(error)
                raise DeviceError(str(error)) from error
            except asyncio.CancelledError:
                self._breaker = self._breaker.abandoned()
                raise
            self._breaker = self._breaker.succeeded()
            self.reach = Reach.OK
            return answer

    async def _answer(
        self, path: str, read: Callable[[bytes], R], *, timeout_s: float, limit_bytes: int
    ) -> R | None:
        async def ask() -> Reply:
            return await self._http.ask(path, cookie=self._session, timeout_s=timeout_s, limit_bytes=limit_bytes)

        reply = await ask()
        if reply.status in _LOGGED_OUT:
            try:
                is_worth_asking = await self._enter()
            except (Lost, TooSlow, Garbled) as error:
                raise NotLetIn(error) from error
            if is_worth_asking:
                reply = await ask()
        if reply.status == _OK:
            return read(reply.body)
        if reply.status in _ABSENT:
            return None
        if reply.status == _AWAY:
            raise Unavailable("it is not ready yet")
        if reply.status in _LOGGED_OUT:
            raise NotAuthenticated("it takes the password and lets nobody in")
        raise Garbled(f"it answered {reply.status}")

    async def _enter(self) -> bool:
        """Log in; True when there is reason to ask again. Raises NotAuthenticated."""
        if self._password is None:
            probe = await self._http.ask(wire.get_query(parameters.PRODUCT), timeout_s=self._patience.answer_s)
            if probe.status in _LOGGED_OUT:
                raise NotAuthenticated("it wants a password", hint="Enter the device again with its password.")
            return False
        form = wire.login_form(self._password.reveal())
        reply = await self._http.ask(wire.LOGIN_PATH, form=form, timeout_s=self._patience.answer_s)
        session = next(filter(None, map(wire.session_cookie, reply.cookies)), None)
        if reply.status != _OK or session is None or not wire.read_login(reply.body):
            raise NotAuthenticated("it refuses the password", hint="Enter the device again with its password.")
        self._session = session
        return True

    def _failed(self, error: Exception) -> None:
        self._breaker = self._breaker.failed(monotonic(), self._dice())
        self.reach = _reach_after(error)


def _reach_after(error: Exception) -> Reach:
    match error:
        case NotAuthenticated():
            return Reach.LOGGED_OUT
        case TooSlow():
            return Reach.SLOW
        case NotReached() | Lost():
            return Reach.UNREACHABLE
        case NotLetIn():
            return _reach_after(error.why)
        case Unavailable():
            return Reach.REBOOTING
        case Garbled() | DeviceError():
            return Reach.GARBLED
    return Reach.UNREACHABLE


def _jpeg(body: bytes) -> bytes:
    if not body.startswith(_JPEG):
        raise Garbled("its picture is no JPEG")
    return body

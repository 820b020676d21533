"""Engine.IO's connections, known or not: their messages counted, the silent and the broken closed for sure.

Who is behind a connection is `sockets.py`'s business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import structlog
from aiohttp import web

from app.policy.rates import Rate, RateBook
from app.runtime.tasks import TaskGroupKeeper
from app.services.websocket_security import SocketLimits

CLOSE_GRACE_S: Final = 1.0
"""Time to take a close packet before the wire is cut."""
BAD_PACKET: Final = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""What python-socketio raises for packets that are none."""

log = structlog.get_logger("app.api.sockets")


class Transports:
    """`engine` is python-socketio's Engine.IO server; two of its handlers are wrapped here."""

    def __init__(
        self, *, engine: Any, limits: SocketLimits, tasks: TaskGroupKeeper, now: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._tasks = tasks
        self._now = now
        self._rates = RateBook(Rate(limits.messages_per_s, 1.0))
        self._over_rate: dict[str, int] = {}
        self._opened_at: dict[str, float] = {}
        self._wires: dict[str, asyncio.Transport] = {}
        self._opened: Callable[[str, dict[str, Any]], Awaitable[None]] = engine.handlers["connect"]
        self._read: Callable[[str, str], Awaitable[None]] = engine.handlers["message"]
        engine.on("connect", self._on_open)
        engine.on("message", self._on_packet)

    def __len__(self) -> int:
        return len(self._engine.sockets)

    def __contains__(self, transport_id: object) -> bool:
        return transport_id in self._engine.sockets

    def remember(self, transport_id: str, request: web.Request) -> None:
        """Keep the TCP connection of a WebSocket: what is cut when politeness does not help. Ids come from the
        client, so those that Engine.IO does not know are not kept."""
        if transport_id in self and request.transport is not None and "Upgrade" in request.headers:
            self._wires[transport_id] = request.transport

    def cut(self, transport_id: str, reason: str) -> None:
        log.info("live connection closed", reason=reason)
        self._tasks.start(self._end(transport_id, self._engine.sockets.get(transport_id)), name="socket close")

    def close_silent(self, known: set[str]) -> None:
        """Close every transport that is not `known` and has not become so in time."""
        now = self._now()
        open_now = set(self._engine.sockets)
        for gone in self._opened_at.keys() - open_now:
            self._forget(gone)
        for transport_id in open_now - known:
            opened_at = self._opened_at.setdefault(transport_id, now)
            if now - opened_at >= self._limits.authenticate_s:
                self.cut(transport_id, "no key was shown")

    async def close_all(self) -> None:
        await asyncio.gather(
            *(self._end(name, transport) for name, transport in list(self._engine.sockets.items()))
        )

    async def drained(self, transport_id: str) -> bool:
        """Wait until the client took what Engine.IO holds for it; False when it is gone."""
        transport = self._engine.sockets.get(transport_id)
        if transport is None:
            return False
        await transport.queue.join()
        return True

    async def _on_open(self, transport_id: str, environ: dict[str, Any]) -> None:
        self._opened_at[transport_id] = self._now()
        self.remember(transport_id, environ["aiohttp.request"])
        await self._opened(transport_id, environ)

    async def _on_packet(self, transport_id: str, data: object) -> None:
        """Every message of a transport, before Socket.IO reads it."""
        if not self._rates.ask(transport_id, self._now()).allowed:
            self._over_rate[transport_id] = self._over_rate.get(transport_id, 0) + 1
            if self._over_rate[transport_id] > self._limits.over_rate_forgiven:
                self.cut(transport_id, "too many messages")
            return
        if not isinstance(data, str):
            self.cut(transport_id, "binary messages are not taken")
            return
        try:
            await self._read(transport_id, data)
        except BAD_PACKET:
            self.cut(transport_id, "not a Socket.IO packet")

    async def _end(self, transport_id: str, transport: Any) -> None:
        """Close politely, then surely. `transport` is Engine.IO's object, None when it has forgotten it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_GRACE_S):
                await self._engine.disconnect(transport_id)
        if transport is not None:
            # Wakes a poll that waits, and ends the writer of a WebSocket: Engine.IO alone leaves both.
            transport.queue.put_nowait(None)
        wire = self._wires.get(transport_id)
        if wire is not None:
            # What is written still goes out; a peer that takes nothing does not hold it open.
            wire.close()
            asyncio.get_running_loop().call_later(CLOSE_GRACE_S, wire.abort)
        self._engine.sockets.pop(transport_id, None)
        self._forget(transport_id)

    def _forget(self, transport_id: str) -> None:
        self._opened_at.pop(transport_id, None)
        self._wires.pop(transport_id, None)
        self._over_rate.pop(transport_id, None)
        self._rates.forget(transport_id)

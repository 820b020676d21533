"""The network between a worker or publisher and the gateway's RTMP door, as the door's handler sees it.

Messages take a little time and keep their order. While a link is cut nothing arrives, in either direction, and
neither end is told; TCP brings it all once it is whole again. One that is closed tells the other end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from aiortmp import ConnectionLost, Limits, MediaBatch
from app.media.doors.rtmp import RtmpDoor

DELAY_S = 0.002
PING_S = 1.0


class Refused(Exception):
    """The door did not let this client in."""


class Wire:
    """One connection. `on_media(batch)` and `on_closed()` are the client's ear, `answers()` says if it is awake."""

    def __init__(
        self,
        door: RtmpDoor,
        address: str,
        *,
        on_media: Callable[[MediaBatch], None],
        on_closed: Callable[[], None],
        answers: Callable[[], bool] = lambda: True,
    ) -> None:
        self.peer = (address, 40_000)
        self._cut = False
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._on_media = on_media
        self._on_closed = on_closed
        self._answers = answers
        self.session = SimpleNamespace(limits=Limits())
        self._answered_at = self._loop.time()
        self._sinks: list[Any] = []
        self._plays: list[Play] = []
        self._handler: Any = None
        self._handler = door.factory(self)  # type: ignore[arg-type]  # stands in for an aiortmp connection
        self._loop.call_later(PING_S, self._ping)
        # Timers of one moment come in any order; what is sent on one connection keeps its own.
        self._under_way: dict[str, deque[Callable[[], None]]] = {"up": deque(), "down": deque()}

    # --- the client's side

    def connect(self, app: str, args: Mapping[str, object] | None = None) -> None:
        self._ask(self._handler.on_connect, _Connect(self, app, args or {}))

    def publish(self, name: str) -> Callable[[MediaBatch], None]:
        """What is handed to the result arrives at the gateway a moment later."""
        request = _Request(self, name)
        self._ask(self._handler.on_publish, request)
        sink = request.sink
        self._sinks.append(sink)
        return lambda batch: self._up(sink, batch)

    def play(self, name: str) -> None:
        self._ask(self._handler.on_play, _Request(self, name))

    def leave(self) -> None:
        """The client's end closes, as by its death: the gateway is told."""
        self._send_on("up", lambda: self._end("the client is gone"))

    def _ask(self, ask: Callable[[Any], None], request: Any) -> None:
        if self.closed:
            raise Refused("closed")
        ask(request)
        if request.refusal is not None:
            raise Refused(request.refusal)

    def _up(self, sink: Any, batch: MediaBatch) -> None:
        self._send_on("up", lambda: self._arrive(sink, batch))

    def _send_on(self, way: str, arrive: Callable[[], None]) -> None:
        self._under_way[way].append(arrive)
        self._loop.call_later(DELAY_S, self._next, way)

    def _next(self, way: str) -> None:
        if not self._cut and self._under_way[way]:
            self._under_way[way].popleft()()

    @property
    def cut(self) -> bool:
        return self._cut

    @cut.setter
    def cut(self, cut: bool) -> None:
        healed, self._cut = self._cut and not cut, cut
        for way in self._under_way if healed else ():
            for _ in self._under_way[way]:
                self._loop.call_later(DELAY_S, self._next, way)

    def _arrive(self, sink: Any, batch: MediaBatch) -> None:
        if not self.closed:
            sink.on_media(batch)

    def _ping(self) -> None:
        """The server's end asks whether anybody is there, and gives up in time."""
        if self.closed:
            return
        now = self._loop.time()
        if self._answers() and not self._cut:
            self._answered_at = now
        elif now - self._answered_at > self.session.limits.idle_s:
            self.abort("idle")
        self._loop.call_later(PING_S, self._ping)

    # --- the gateway's side: what an aiortmp connection offers

    def set_idle_s(self, idle_s: float) -> None:
        self.session.limits = replace(self.session.limits, idle_s=idle_s)
        self._answered_at = self._loop.time()

    def abort(self, reason: str = "") -> None:
        if not self.closed:
            self._end(reason)
            self._send_on("down", self._on_closed)

    close = abort

    def add(self, play: Play) -> None:
        self._plays.append(play)

    def send(self, batch: MediaBatch) -> None:
        if not self.closed:
            self._send_on("down", lambda: self._deliver(batch))

    def _deliver(self, batch: MediaBatch) -> None:
        self._on_media(batch)

    def _end(self, reason: str) -> None:
        if self.closed:
            return
        self.closed = True
        error = ConnectionLost(reason)
        for sink in self._sinks:
            sink.on_end(reason)
        for play in self._plays:
            if play.on_end is not None:
                play.on_end(reason)
        self._handler.on_closed(error)


class Play:
    """What the door sends a feed to."""

    on_end: Callable[[str], None] | None = None
    on_writable: Callable[[], None] | None = None
    buffered_bytes = 0

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def send(self, batch: MediaBatch) -> None:
        self._wire.send(batch)

    def finish(self, code: str = "", description: str = "") -> None:
        self._wire.abort(description)


class _Connect:
    def __init__(self, wire: Wire, app: str, args: Mapping[str, object]) -> None:
        self.connection, self.app, self.args, self.flash_ver = wire, app, args, "simulated"
        self.peer = wire.peer
        self.refusal: str | None = None

    def accept(self) -> None:
        pass

    def reject(self, code: str = "", description: str = "") -> None:
        self.refusal = description


class _Request:
    def __init__(self, wire: Wire, name: str) -> None:
        self.connection, self.name = wire, name
        self.refusal: str | None = None
        self.sink: Any = None

    def accept(self, sink: Any = None) -> Any:
        if sink is not None:
            self.sink = sink
            return None
        play = Play(self.connection)
        self.connection.add(play)
        return play

    def reject(self, code: str = "", description: str = "") -> None:
        self.refusal = description

"""A blocking RTMP peer on a plain socket, up to the point where media flows."""

from __future__ import annotations

import socket
import time

from aiortmp import Limits
from aiortmp.amf0 import Value
from aiortmp.session.client import ClientSession
from aiortmp.session.events import CommandAnswered, CommandRefused, Event, StatusReceived

WAIT_S = 20.0


class Peer:
    """One connection; commands block until they are answered."""

    def __init__(self, port: int, app: str, *, chunk_size: int = 4096, host: str = "127.0.0.1") -> None:
        self.sock = socket.create_connection((host, port), timeout=WAIT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent: list[bytes] = []
        """Every write, for those who play it again."""
        limits = Limits(max_chunk_bytes=1 << 20)
        self.session = ClientSession(limits=limits, now=time.monotonic(), chunk_size=chunk_size, digest=False)
        self._events: list[Event] = []
        while not self._events:
            self._turn()
        # A list here is more AMF0 than pyrtmp reads.
        args: dict[str, Value] = {"fourCcList": ""}
        number = self.session.connect(app=app, tc_url=f"rtmp://{host}:{port}/{app}", flash_ver="load", args=args)
        self._answer(number)

    def publish(self, name: str) -> int:
        """Until the server says go; the stream's id."""
        self.session.release(name)
        stream_id = self._create_stream()
        self.session.publish(stream_id, name, "live")
        self._status("NetStream.Publish.Start")
        return stream_id

    def play(self, name: str) -> int:
        """Until the server says go; the stream's id."""
        stream_id = self._create_stream()
        self.session.play(stream_id, name)
        self._status("NetStream.Play.Start")
        return stream_id

    def close(self) -> None:
        self.sock.close()

    def _create_stream(self) -> int:
        value = self._answer(self.session.create_stream())[1]
        assert isinstance(value, float), "a stream id is a number"
        return int(value)

    def _answer(self, number: int) -> tuple[Value, ...]:
        while True:
            for event in self._events:
                if isinstance(event, CommandRefused):
                    raise RuntimeError(f"refused: {event.code} {event.description}")
                if isinstance(event, CommandAnswered) and event.transaction == number:
                    return event.arguments
            self._turn()

    def _status(self, code: str) -> None:
        while True:
            for event in self._events:
                if isinstance(event, StatusReceived) and event.level == "error":
                    raise RuntimeError(f"refused: {event.code} {event.description}")
                if isinstance(event, StatusReceived) and event.code == code:
                    return
            self._turn()

    def _turn(self) -> None:
        self._events = []
        if self.session.has_data:
            self.sent.append(bytes(self.session.data_to_send()))
            self.sock.sendall(self.sent[-1])
        data = self.sock.recv(65536)
        if not data:
            raise RuntimeError("server closed the connection")
        self._events = self.session.receive_data(data, time.monotonic())

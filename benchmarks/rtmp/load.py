"""Publishers and players as processes of their own, so that the server's CPU time is its own.

Each worker says when it is ready, begins on a shared signal, and adds up what it sends or receives
in shared counters, from which the caller reads differences.
"""

from __future__ import annotations

import multiprocessing
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event as Signal

from aiortmp import MediaBatch
from benchmarks.rtmp import material
from benchmarks.rtmp.peer import WAIT_S, Peer

SPAWN = multiprocessing.get_context("spawn")
BLOCK_BYTES = 1 << 20
HANDSHAKE_BYTES = 1 + 2 * 1536
"""What a server says before the commands: its version, S1 and S2."""
CONNECTED = b"NetConnection.Connect.Success"
STARTED = b"NetStream.Publish.Start"


@dataclass(frozen=True)
class Target:
    """Where the load goes, and how."""

    port: int
    app: str
    names: tuple[str, ...]
    """The streams; one publisher each."""
    play_app: str | None = None
    """Where players connect to; None: where publishers do."""
    players: int = 1
    """Per stream."""
    chunk_size: int = 4096
    core: int | None = None


class Worker:
    """A process of publishers or players."""

    def __init__(self, role: Callable[..., None], target: Target) -> None:
        self.count: Synchronized[int] = SPAWN.Value("Q", 0)
        self.latencies = SPAWN.SimpleQueue()
        self.ready, self.go, self.stop = SPAWN.Event(), SPAWN.Event(), SPAWN.Event()
        arguments = (role, target, self.count, self.latencies, self.ready, self.go, self.stop)
        self.process = SPAWN.Process(target=_main, args=arguments, daemon=True)
        self.process.start()

    def wait_ready(self) -> None:
        while not self.ready.wait(0.1):
            if not self.process.is_alive():
                raise RuntimeError("a load process ended before it was ready")

    def end(self) -> None:
        self.stop.set()
        self.process.join(10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _main(role: Callable[..., None], target: Target, *shared: object) -> None:
    if target.core is not None:
        os.sched_setaffinity(0, {target.core})
    role(target, *shared)


def _publishers(target: Target) -> list[Peer]:
    def dial(name: str) -> Peer:
        peer = Peer(target.port, target.app, chunk_size=target.chunk_size)
        peer.sock.sendall(material.opening(peer.publish(name)))
        return peer

    return _at_once(dial, list(target.names))


def _players(target: Target) -> list[Peer]:
    def dial(name: str) -> Peer:
        peer = Peer(target.port, target.play_app or target.app)
        peer.play(name)
        return peer

    return _at_once(dial, [name for name in target.names for _ in range(target.players)])


def _at_once(dial: Callable[[str], Peer], names: list[str]) -> list[Peer]:
    """Several connections at a time: some servers answer late, and waiting costs nothing."""
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(dial, names))


def publish_saturated(
    target: Target, count: Synchronized[int], _: object, ready: Signal, go: Signal, stop: Signal
) -> None:
    """As fast as the server takes it; one thread each, all of the work in the kernel."""
    wire = b"".join(piece.wire for piece in material.group(target.chunk_size))
    peers = _publishers(target)
    ready.set()
    go.wait()

    def send(sock: socket.socket) -> None:
        sock.settimeout(1.0)
        view = memoryview(wire)
        at = 0
        while not stop.is_set():
            try:
                sent = sock.send(view[at:])
            except TimeoutError:
                continue
            except OSError:
                return
            at = (at + sent) % len(wire)
            with count.get_lock():
                count.value += sent

    _in_threads(send, [peer.sock for peer in peers])


def play_counting(
    target: Target, count: Synchronized[int], _: object, ready: Signal, go: Signal, stop: Signal
) -> None:
    """Reads and counts; one thread each, all of the work in the kernel."""
    socks = [peer.sock for peer in _players(target)]
    ready.set()
    go.wait()

    def receive(sock: socket.socket) -> None:
        sock.settimeout(1.0)
        block = bytearray(BLOCK_BYTES)
        while not stop.is_set():
            try:
                got = sock.recv_into(block)
            except TimeoutError:
                continue
            except OSError:
                return
            if not got:
                return
            with count.get_lock():
                count.value += got

    _in_threads(receive, socks)


def _in_threads(work: Callable[[socket.socket], None], socks: list[socket.socket]) -> None:
    threads = [threading.Thread(target=work, args=(sock,), daemon=True) for sock in socks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def publish_live(
    target: Target, count: Synchronized[int], _: object, ready: Signal, go: Signal, stop: Signal
) -> None:
    """In real time, message by message, the streams spread evenly over a frame's time."""
    pieces = material.group(target.chunk_size)
    peers = _publishers(target)
    ready.set()
    go.wait()
    start = time.monotonic()
    shift = material.FRAME_MS / len(peers)
    due = _schedule(pieces, peers, shift)
    loops = 0
    while not stop.is_set():
        for due_ms, is_video, wire, sock in due:
            wait_s = start + (loops * material.GROUP_MS + due_ms) / 1000 - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            sock.sendall(_stamped(wire) if is_video else wire)
            count.value += len(wire)
            if stop.is_set():
                return
        loops += 1


def _schedule(
    pieces: list[material.Piece], peers: list[Peer], shift: float
) -> list[tuple[float, bool, bytes, socket.socket]]:
    due = [
        (piece.due_ms + at * shift, piece.is_video, piece.wire, peer.sock)
        for at, peer in enumerate(peers)
        for piece in pieces
    ]
    return sorted(due, key=lambda one: one[0])


def _stamped(wire: bytes) -> bytes:
    at = 8 + material.STAMP_AT
    return wire[:at] + time.monotonic_ns().to_bytes(8, "big") + wire[at + 8 :]


def play_timing(
    target: Target, count: Synchronized[int], latencies: object, ready: Signal, go: Signal, stop: Signal
) -> None:
    """Reads, finds the video messages and how long each was on its way."""
    selector = selectors.DefaultSelector()
    for peer in _players(target):
        peer.sock.setblocking(False)
        # The peer's own reader: it knows the chunk size and what has begun to come.
        selector.register(peer.sock, selectors.EVENT_READ, peer.session.reader)
    ready.set()
    found: list[float] = []
    while not stop.is_set():
        for key, _ in selector.select(0.2):
            assert isinstance(key.fileobj, socket.socket), "only sockets are registered"
            data = key.fileobj.recv(BLOCK_BYTES)
            now = time.monotonic_ns()
            if not data:
                selector.unregister(key.fileobj)
                continue
            count.value += len(data)
            for item in key.data.feed(data):
                if isinstance(item, MediaBatch):
                    found += _latencies(item, now)
    latencies.put(found)  # type: ignore[attr-defined]  # a SimpleQueue, which has no type of its own


def _latencies(batch: MediaBatch, now: int) -> list[float]:
    at = material.STAMP_AT
    stamps = [message.peek(at + 8)[at:] for message in batch if message.type == 9 and message.peek(2)[1] == 1]
    return [(now - int.from_bytes(stamp, "big")) / 1e6 for stamp in stamps if any(stamp)]


def publish_and_leave(
    target: Target, count: Synchronized[int], _: object, ready: Signal, go: Signal, stop: Signal
) -> None:
    """Connects, publishes and leaves, over and over, under each of the names in turn; counts each.

    What a first, whole publisher wrote is played again with other names, so that the load costs less than a server.
    """
    first, connect, publishes = _spoken(target)
    ready.set()
    go.wait()
    while not stop.is_set():
        for publish in publishes:
            _publish_once(target.port, first, connect, publish)
            count.value += 1


def _spoken(target: Target) -> tuple[bytes, bytes, list[bytes]]:
    """What publishers write: the handshake's beginning, connect, and for each name, all of one length, the rest."""
    said = target.names[0]
    peer = Peer(target.port, target.app)
    peer.publish(said)
    peer.close()
    first, connect, *rest = peer.sent
    publish = b"".join(rest)
    return first, connect, [publish.replace(said.encode(), name.encode()) for name in target.names]


def _publish_once(port: int, first: bytes, connect: bytes, publish: bytes) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel's own clock, not Python's: a timeout in Python polls before each call.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(WAIT_S), 0))
        sock.connect(("127.0.0.1", port))
        sock.sendall(first)
        heard = 0
        while heard < HANDSHAKE_BYTES:
            heard += len(_some(sock))
        for said, answered in ((connect, CONNECTED), (publish, STARTED)):
            sock.sendall(said)
            answer = _some(sock)
            while answered not in answer:
                answer += _some(sock)


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise RuntimeError("the server closed the connection")
    return data

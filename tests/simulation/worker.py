"""A worker without pictures: takes the feed as a real one does, and gives a frame back for every frame, later.

What a worker owes is in docs/architecture.md: nothing at or before `start_after`, a key frame first and on the
grid, silence while it is a standby.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from aiortmp import MediaBatch, MediaMessage, MessageType, amf0
from app.domain.ladder import AUDIO_TRACK
from app.domain.stream import WorkerOrder
from app.media.doors.rtmp import RtmpDoor
from tests.unit.media.stream_parts import audio, audio_header, video, video_header

from .wire import Refused, Wire

START_S = 0.25
PROOF_S = 0.15
LATENCY_S = 0.12
CATCH_UP = 8
"""Times real time: how fast a replay is worked through."""
FRAME_S = 0.1
KEPT_MS = 1_250


class SimWorker:
    """Runs from construction until killed, refused or let go. `on_exit(worker, code, reason)` is called once."""

    def __init__(
        self,
        order: WorkerOrder,
        door: RtmpDoor,
        host: str,
        *,
        on_exit: Callable[[SimWorker, int, str], None],
        behind_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.order = order
        self._door = door
        self._host = host
        self._on_exit = on_exit
        self._behind_s = behind_s
        self._last_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._wire: Wire | None = None
        self._send: dict[str, Callable[[MediaBatch], None]] = {}
        self._start_after: dict[str, float | None] | None = None
        self._key_owed: set[str] = set()
        self._headed: set[str] = set()
        self._free_at = 0.0
        self._feed = 0
        self._kept: deque[MediaMessage] = deque()
        """What a hot standby has decoded lately."""
        self._coming: deque[Callable[[], None]] = deque()
        """Encoded, on its way out: timers of one moment come in any order, frames must not."""
        self.alive = True
        self.stopped = False
        self._missed: list[Callable[[], None]] = []
        self.cut = False
        self._loop.call_later(START_S, self._do, self._come)

    @property
    def tracks(self) -> list[str]:
        return [*(rendition.name for rendition in self.order.encode.ladder.renditions), AUDIO_TRACK]

    # --- faults

    def kill(self, code: int = -9) -> None:
        if self.alive:
            self.alive = False
            if self._wire is not None:
                self._wire.leave()
            self._on_exit(self, code, "killed")

    def stop(self) -> None:
        """SIGSTOP: nothing is done any more, nothing is told."""
        self.stopped = True

    def go_on(self) -> None:
        """SIGCONT: what came meanwhile is worked through now."""
        self.stopped = False
        missed, self._missed = self._missed, []
        for work in missed:
            self._do(work)

    def cut_off(self, *, cut: bool) -> None:
        """Its way to the gateway swallows everything, or carries again."""
        self.cut = cut
        if self._wire is not None:
            self._wire.cut = cut

    # --- life

    def _do(self, work: Callable[[], None]) -> None:
        if not self.alive:
            return
        if self.stopped:
            self._missed.append(work)
        else:
            work()

    def _end(self, code: int, reason: str) -> None:
        if self.alive:
            self.alive = False
            if self._wire is not None:
                self._wire.leave()
            self._on_exit(self, code, reason)

    def _come(self) -> None:
        if self.cut:
            self._end(4, "no connection to the gateway")
            return
        order = self.order
        self._wire = wire = Wire(
            self._door,
            self._host,
            on_media=lambda batch: self._do(lambda: self._take(batch)),
            on_closed=lambda: self._do(lambda: self._end(4, "the gateway ended the connection")),
            answers=lambda: self.alive and not self.stopped,
        )
        arguments = {
            "stream_id": order.stream_id,
            "worker_id": order.worker_id,
            "generation": order.generation,
            "token": order.token.reveal(),
            "nonce": "n",
        }
        try:
            wire.connect("worker", arguments)
            for track in self.tracks:
                self._send[track] = wire.publish(track)
            wire.play("source")
        except Refused as error:
            self._end(3, str(error))

    def _take(self, batch: MediaBatch) -> None:
        for message in batch:
            if message.type is MessageType.DATA:
                self._told(amf0.decode(message.payload))
            elif message.payload[1:2] == b"\0":
                continue
            elif self._start_after is not None:
                self._frame(message)
            else:
                self._kept.append(message)
                while message.timestamp - self._kept[0].timestamp > KEPT_MS:
                    self._kept.popleft()

    def _told(self, said: list[Any]) -> None:
        if said[0] in ("onFeedStart", "onSpeak"):
            self._begin(said[1])
        elif said[0] == "onStandby":
            if said[1].get("grade") == "active-active":
                self._begin(said[1])
            self._loop.call_later(PROOF_S, self._do, self._prove)
        if said[0] == "onSpeak":
            for message in self._kept:
                self._frame(message)
        self._kept.clear()

    def _begin(self, said: dict[str, Any]) -> None:
        self._start_after = dict(said["start_after"])
        self._key_owed = {track for track in self.tracks if track != AUDIO_TRACK}
        self._headed = set()
        self._feed += 1
        self._free_at = 0.0

    def _prove(self) -> None:
        for track in self.tracks:
            if track != AUDIO_TRACK:
                self._send[track](MediaBatch.of([video_header()]))
        ready = amf0.encode(["onStandbyReady", {"generation": self.order.generation}])
        self._send[self.tracks[0]](MediaBatch.of([MediaMessage(MessageType.DATA, 0, ready)]))

    def _frame(self, message: MediaMessage) -> None:
        """One source frame: it comes back after the encoder's delay, and no faster than it can work."""
        assert self._start_after is not None
        is_video = message.type is MessageType.VIDEO
        tracks = [track for track in self.tracks if (track != AUDIO_TRACK) == is_video]
        if is_video:
            self._free_at = max(self._loop.time(), self._free_at) + FRAME_S / CATCH_UP
        for track in tracks:
            after = self._start_after.get(track)
            if after is not None and message.timestamp <= after:
                continue
            opening = [] if track in self._headed else [video_header() if is_video else audio_header()]
            self._headed.add(track)
            frame = audio(message.timestamp, self._body(message))
            if is_video:
                key = track in self._key_owed or message.timestamp % self.order.encode.keyframe_interval_ms == 0
                self._key_owed.discard(track)
                frame = video(message.timestamp, key=key, body=self._body(message))
            at = max(self._loop.time(), self._free_at) + LATENCY_S + self._behind_s()
            # A machine that has room again sends nothing before what it still owes.
            at = self._last_at = max(at, self._last_at)
            self._coming.append(self._sender(track, MediaBatch.of([*opening, frame])))
            self._loop.call_at(at, self._do, self._next)

    def _next(self) -> None:
        self._coming.popleft()()

    def _body(self, message: MediaMessage) -> bytes:
        return b"%dg%d" % (message.timestamp, self.order.generation)

    def _sender(self, track: str, batch: MediaBatch) -> Callable[[], None]:
        feed = self._feed

        def send() -> None:
            if feed == self._feed:
                self._send[track](batch)

        return send


def generation_of(message: MediaMessage) -> int:
    """Of the worker that made the picture."""
    return int(bytes(message.payload).rpartition(b"g")[2])

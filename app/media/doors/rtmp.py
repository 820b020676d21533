"""The RTMP door: applications `live` (publishers), `play` (viewers) and `worker` (encoding workers).

Who may come in is asked of the gateway before any media is taken. What a refused client is told is the sentence its
software shows. Leaves RTMP itself to aiortmp.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog

from aiortmp import ConnectionLost, MediaBatch, RtmpError
from aiortmp.aio import ConnectRequest, PlayRequest, PublishRequest, ServerConnection
from app.domain.ids import WorkerId
from app.media.admission import digest, play_name
from app.media.channel import Channel
from app.media.doors.doorman import Doorman
from app.media.feed import WorkerLink
from app.media.gateway import Gateway
from app.media.source import Publisher

log = structlog.get_logger()

LIVE: Final = "live"
PLAY: Final = "play"
WORKER: Final = "worker"
WRONG_APP: Final = "no such application: publish to /live, play from /play"
NOT_A_WORKER: Final = "this worker is not the one the plan names"
STANDBY_IDLE_S: Final = 6.0
"""A standby that answers nothing for so long would not take over either."""
LOST: Final = "encoder connection lost"
"""Cause of a switch, as people read it: it was not the publisher's connection."""
_NONCE_MAX: Final = 128


class RtmpDoor:
    """`factory` makes the handler of each connection for `aiortmp.aio.serve`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.doorman = Doorman()

    def factory(self, connection: ServerConnection) -> DoorHandler:
        """Counted before the handshake: a crowd that never speaks is turned away like any other."""
        handler = DoorHandler(connection, self._gateway, self.doorman)
        if not handler.enter():
            connection.abort()
        return handler


class DoorHandler:
    """One connection. Its application decides what it may ask for."""

    def __init__(self, connection: ServerConnection, gateway: Gateway, doorman: Doorman) -> None:
        self._connection = connection
        self._gateway = gateway
        self._doorman = doorman
        self._idle_s = connection.session.limits.idle_s
        self._entered: str | None = None
        self._app = ""
        self._software: str | None = None
        self._worker: tuple[Channel, WorkerLink] | None = None

    def enter(self) -> bool:
        address = self._connection.peer[0]
        if self._doorman.enter(address):
            self._entered = address
        return self._entered is not None

    def on_connect(self, request: ConnectRequest) -> None:
        self._app = request.app.partition("?")[0].strip("/").partition("/")[0]
        self._software = request.flash_ver or None
        if self._app == WORKER:
            self._connect_worker(request)
        elif self._app in (LIVE, PLAY):
            request.accept()
        else:
            request.reject(description=WRONG_APP)

    def on_publish(self, request: PublishRequest) -> None:
        if self._app == LIVE:
            self._publish_live(request)
        elif self._worker is not None:
            self._publish_track(request, *self._worker)
        else:
            request.reject(description=WRONG_APP)

    def on_play(self, request: PlayRequest) -> None:
        if self._app == PLAY:
            self._play(request)
        elif self._worker is not None:
            self._play_source(request, *self._worker)
        else:
            request.reject(description=WRONG_APP)

    def on_closed(self, reason: RtmpError | None) -> None:
        if self._entered is not None:
            self._doorman.leave(self._entered)
            self._entered = None
        if self._worker is not None:
            channel, link = self._worker
            channel.worker.gone(link, LOST, str(reason or "by the worker"))

    # --- publishers ------------------------------------------------------------------------------------

    def _publish_live(self, request: PublishRequest) -> None:
        peer = self._connection.peer
        found = self._gateway.publisher_channel(request.name, peer)
        if isinstance(found, str):
            log.info("publisher refused", peer=f"{peer[0]}:{peer[1]}", reason=found)
            request.reject(description=found)
            return
        channel, name_of_input = found
        publisher = Publisher(f"{peer[0]}:{peer[1]}", self._software, self._connection.abort)
        channel.sit_down(publisher, name_of_input)
        try:
            request.accept(SourceSink(channel, publisher))
        except ConnectionLost as error:
            channel.leave(publisher, str(error))
            return
        stream_id = channel.plan.stream_id
        log.info("publisher accepted", stream_id=stream_id, input=name_of_input.value, peer=publisher.peer)

    # --- viewers ---------------------------------------------------------------------------------------

    def _play(self, request: PlayRequest) -> None:
        name = play_name(request.name)
        found = self._gateway.by_play_name(name) if name is not None else None
        if found is None or not found[0].plan.outputs.rtmp_play or found[0].ended:
            request.reject(description="no such stream")
            return
        channel, rendition = found
        mux = channel.programme.muxes.get(rendition)
        if mux is None:
            request.reject(description="this stream is not played over RTMP")
            return
        try:
            play = request.accept()
        except ConnectionLost:
            return
        _, leave = mux.join(
            play,
            cut=lambda: self._connection.abort("viewer does not read"),
            end=lambda reason: play.finish(description=reason),
        )
        play.on_end = lambda _: leave()

    # --- workers ---------------------------------------------------------------------------------------

    def _connect_worker(self, request: ConnectRequest) -> None:
        self._worker = _known_worker(self._gateway, request.args, self._connection.abort, self._watch)
        if self._worker is None:
            self._gateway.workers_refused += 1
            log.warning("worker refused", peer=request.peer[0], reason=NOT_A_WORKER)
            request.reject(description=NOT_A_WORKER)
            return
        request.accept()

    def _watch(self, closely: bool) -> None:
        self._connection.set_idle_s(STANDBY_IDLE_S if closely else self._idle_s)

    def _play_source(self, request: PlayRequest, channel: Channel, link: WorkerLink) -> None:
        if request.name != "source":
            request.reject(description="a worker plays `source`")
            return
        if (reason := channel.unseated(link)) is not None:
            self._gateway.workers_refused += 1
            request.reject(description=reason)
            return
        try:
            play = request.accept()
        except ConnectionLost:
            return
        play.on_end = lambda reason: channel.worker.gone(link, LOST, reason)
        channel.feed(link, play)

    def _publish_track(self, request: PublishRequest, channel: Channel, link: WorkerLink) -> None:
        if request.name not in channel.track_names:
            request.reject(description="no such track in this programme")
            return
        try:
            request.accept(TrackSink(channel, link, request.name))
        except ConnectionLost:
            return


def _known_worker(
    gateway: Gateway,
    args: Mapping[str, object],
    close: Callable[[str], None],
    watch: Callable[[bool], None],
) -> tuple[Channel, WorkerLink] | None:
    """The channel and seat that a worker's connect arguments prove a right to; None: none."""
    stream_id, worker_id, token = args.get("stream_id"), args.get("worker_id"), args.get("token")
    generation, nonce = args.get("generation"), args.get("nonce")
    if not isinstance(stream_id, str) or not isinstance(worker_id, str) or not isinstance(token, str):
        return None
    channel = gateway.by_stream(stream_id)
    if channel is None:
        return None
    for grant in (channel.plan.active, channel.plan.standby):
        if grant is None or worker_id != grant.worker_id or generation != grant.generation:
            continue
        if hmac.compare_digest(digest(token).encode(), grant.token_sha256.encode()):
            own = nonce if isinstance(nonce, str) and len(nonce) <= _NONCE_MAX else None
            return channel, WorkerLink(WorkerId(worker_id), grant.encoder_id, grant.generation, close, own, watch)
    return None


class SourceSink:
    """A publisher's packets, straight into its channel."""

    __slots__ = ("_channel", "_publisher", "on_media")

    def __init__(self, channel: Channel, publisher: Publisher) -> None:
        self._channel = channel
        self._publisher = publisher
        # No method of its own: this is called for every packet.
        self.on_media: Callable[[MediaBatch], None] = partial(channel.on_source, publisher)

    def on_end(self, reason: str) -> None:
        self._channel.leave(self._publisher, reason)


class TrackSink:
    """One encoded track of a worker, into its channel."""

    __slots__ = ("_channel", "_link", "_track")

    def __init__(self, channel: Channel, link: WorkerLink, track: str) -> None:
        self._channel = channel
        self._link = link
        self._track = track

    def on_media(self, batch: MediaBatch) -> None:
        self._channel.on_track(self._link, self._track, batch)

    def on_end(self, reason: str) -> None:
        """The worker's connection tells of its end; a track that stops alone shows as a stall."""

"""Workers that hand every frame back as it came, so their programme is the source; and plans that name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiortmp import MediaBatch, MediaMessage, MessageType, amf0
from aiortmp.aio import ClientConnection, Publish, connect
from app.domain.ids import EncoderId, WorkerId
from app.domain.ladder import AudioMode, AudioPlan, FrameRate, Ladder, Rendition
from app.domain.stream import ChannelPlan, Outputs, StandbyGrade, StreamMode, WorkerGrant
from app.media.admission import digest
from tests.integration.gateway.rig import STREAM, Rig, plan

TOKEN = "worker-token"
LADDER = Ladder((Rendition("top", 320, 180, FrameRate(25), 500_000),), AudioPlan(AudioMode.AUTO))


def grant(generation: int) -> WorkerGrant:
    return WorkerGrant(
        WorkerId(f"wrk_{generation}"),
        EncoderId(f"enc_{generation}"),
        generation,
        digest(f"{TOKEN}{generation}"),
    )


def transcode_plan(
    generation: int,
    ladder: Ladder = LADDER,
    *,
    standby: int | None = None,
    grade: StandbyGrade = StandbyGrade.WARM,
    revision: int | None = None,
) -> ChannelPlan:
    return plan(
        mode=StreamMode.TRANSCODE,
        ladder=ladder,
        revision=revision if revision is not None else generation,
        active=grant(generation),
        standby=grant(standby) if standby is not None else None,
        grade=grade,
        outputs=Outputs(record=True),
    )


class EchoWorker:
    """`words` are what the gateway said to it, `received` counts media. `silent` kinds are not handed back."""

    def __init__(
        self, connection: ClientConnection, picture: Publish, audio: Publish, *, top: str, generation: int
    ) -> None:
        self.connection = connection
        self.generation = generation
        self._picture = picture
        self._out = {MessageType.VIDEO: (top, picture), MessageType.AUDIO: ("audio", audio)}
        self.start_after: Mapping[str, object] | None = None
        self.words: list[str] = []
        self.received = 0
        self.silent: set[MessageType] = set()
        self.is_ready = False

    def on_media(self, batch: MediaBatch) -> None:
        for message in batch:
            if message.type is MessageType.DATA:
                self._on_data(message.payload)
                continue
            self.received += 1
            is_header = message.payload[1] == 0
            if self.start_after is None:
                self._wait(message, is_header=is_header)
                continue
            name, out = self._out[message.type]
            after = self.start_after[name]
            if message.type in self.silent or (
                isinstance(after, float) and message.timestamp <= after and not is_header
            ):
                continue
            out.send(MediaBatch.of([MediaMessage(message.type, message.timestamp, message.payload)]))

    def _wait(self, message: MediaMessage, *, is_header: bool) -> None:
        """As a standby: headers go out, the first picture proves it."""
        if message.type is not MessageType.VIDEO:
            return
        if is_header:
            self._picture.send(MediaBatch.of([message]))
        elif not self.is_ready:
            self.is_ready = True
            ready = amf0.encode(["onStandbyReady", {"generation": self.generation}])
            self._picture.send(MediaBatch.of([MediaMessage(MessageType.DATA, 0, ready)]))

    def _on_data(self, payload: bytes) -> None:
        values = amf0.decode(payload)
        name, said = values[0], values[1] if len(values) > 1 else None
        if (
            not isinstance(name, str)
            or not isinstance(said, Mapping)
            or said.get("nonce") != nonce(self.generation)
        ):
            return
        self.words.append(name)
        after = said.get("start_after")
        if after is not None:
            assert isinstance(after, Mapping)
            self.start_after = after

    def on_end(self, reason: str) -> None:
        pass


def nonce(generation: int) -> str:
    return f"nonce-{generation}"


async def worker(
    rig: Rig,
    generation: int,
    token: str | None = None,
    top: str = "top",
    make: Callable[..., EchoWorker] = EchoWorker,
) -> EchoWorker:
    args = {
        "stream_id": STREAM,
        "worker_id": f"wrk_{generation}",
        "generation": generation,
        "token": token if token is not None else f"{TOKEN}{generation}",
        "nonce": nonce(generation),
    }
    connection = await connect(f"{rig.rtmp}/worker", args=args)
    picture, audio = await connection.publish(top), await connection.publish("audio")
    echo = make(connection, picture, audio, top=top, generation=generation)
    await connection.play("source", echo)
    return echo

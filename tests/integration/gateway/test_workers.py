"""Encoding workers at the gateway: who may sit down, what they are fed, and that a change loses no frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from aiortmp import MediaBatch, MediaMessage, MessageType, Rejected, amf0
from aiortmp.aio import ClientConnection, Publish, connect
from app.domain.ids import EncoderId, WorkerId
from app.domain.ladder import AudioMode, AudioPlan, FrameRate, Ladder, Rendition
from app.domain.link import ChannelReading, ProgrammeUp, SourceDown, WorkerDown, WorkerUp
from app.domain.stream import ChannelPlan, Outputs, StreamMode, WorkerGrant
from app.media.admission import digest
from tests.integration.gateway.rig import PLAYBACK, STREAM, Rig, count_frames, get, plan, publish, until

SourceFile = Callable[[str], Path]
TOKEN = "worker-token"
LADDER = Ladder((Rendition("top", 320, 180, FrameRate(25), 500_000),), AudioPlan(AudioMode.AUTO))


def grant(generation: int) -> WorkerGrant:
    return WorkerGrant(
        WorkerId(f"wrk_{generation}"), EncoderId("enc_1"), generation, digest(f"{TOKEN}{generation}")
    )


def transcode_plan(generation: int, ladder: Ladder = LADDER) -> ChannelPlan:
    return plan(
        mode=StreamMode.TRANSCODE,
        ladder=ladder,
        revision=generation,
        active=grant(generation),
        outputs=Outputs(record=True),
    )


class EchoWorker:
    """A worker that hands every frame back as it came: its programme is the source."""

    def __init__(self, connection: ClientConnection, picture: Publish, audio: Publish, top: str) -> None:
        self.connection = connection
        self._out = {MessageType.VIDEO: (top, picture), MessageType.AUDIO: ("audio", audio)}
        self.start_after: Mapping[str, object] | None = None
        self.received = 0
        self.silent: set[MessageType] = set()

    def on_media(self, batch: MediaBatch) -> None:
        for message in batch:
            if message.type is MessageType.DATA:
                self._on_data(message.payload)
                continue
            self.received += 1
            name, out = self._out[message.type]
            assert self.start_after is not None, "onFeedStart comes first"
            after = self.start_after[name]
            is_header = message.payload[1] == 0
            if message.type in self.silent or (
                isinstance(after, float) and message.timestamp <= after and not is_header
            ):
                continue
            out.send(MediaBatch.of([MediaMessage(message.type, message.timestamp, message.payload)]))

    def _on_data(self, payload: bytes) -> None:
        values = amf0.decode(payload)
        if values[0] == "onFeedStart":
            assert isinstance(values[1], Mapping)
            assert isinstance(values[1]["start_after"], Mapping)
            self.start_after = values[1]["start_after"]

    def on_end(self, reason: str) -> None:
        pass


async def worker(rig: Rig, generation: int, token: str | None = None, top: str = "top") -> EchoWorker:
    args = {
        "stream_id": STREAM,
        "worker_id": f"wrk_{generation}",
        "generation": generation,
        "token": token if token is not None else f"{TOKEN}{generation}",
    }
    connection = await connect(f"{rig.rtmp}/worker", args=args)
    echo = EchoWorker(connection, await connection.publish(top), await connection.publish("audio"), top)
    await connection.play("source", echo)
    return echo


@pytest.mark.parametrize(("generation", "token"), [(1, "wrong"), (2, None), (0, None)])
async def test_only_the_worker_of_the_plan_comes_in(rig: Rig, generation: int, token: str | None) -> None:
    await rig.open(transcode_plan(1))
    with pytest.raises(Rejected, match="not the one the plan names"):
        await worker(rig, generation, token)


async def test_a_worker_publishes_no_track_of_its_own_invention(rig: Rig) -> None:
    await rig.open(transcode_plan(1))
    echo = await worker(rig, 1)
    with pytest.raises(Rejected, match="no such track"):
        await echo.connection.publish("extra")


async def test_a_change_of_worker_loses_no_frame_and_shows_none_twice(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("all-intra")
    await rig.open(transcode_plan(1))
    first = await worker(rig, 1)
    program = await publish(file, rig.live_url, rate=2)
    await until("half of the source", lambda: first.received > 300)
    first.connection.abort("killed")
    down = await rig.fact(WorkerDown)
    assert (down.worker_id, down.generation) == ("wrk_1", 1)
    await rig.open(transcode_plan(2))
    second = await worker(rig, 2)
    await program.done()
    await rig.fact(SourceDown)
    sent = await count_frames(str(file))
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    await until("the last frame", lambda: channel.programme.meters["top"].frames == sent["h264"])
    assert second.start_after is not None
    assert isinstance(second.start_after["top"], float)
    assert channel.switch.doubled() == 0
    await rig.close()
    assert await count_frames(rig.hls_url) == sent
    assert await count_frames(str(rig.data_dir / "recordings" / STREAM / "part-0001.mp4")) == sent
    ups = [rig.uplink.seen(ProgrammeUp)[turn] for turn in (0, 1)]
    assert [up.generation for up in ups] == [1, 2]
    assert ups[0].stall_ms is None
    assert ups[1].stall_ms is not None
    assert len(rig.uplink.seen(WorkerUp)) == 2


async def test_the_ring_holds_only_what_has_not_come_back(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(transcode_plan(1))
    echo = await worker(rig, 1)
    program = await publish(source_file("plain"), rig.live_url, rate=8)
    await program.done()
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    await until("everything back", lambda: channel.programme.meters["top"].frames == 250)
    assert channel.ring.span_s <= 2.1
    assert channel.ring.overruns == 0
    await echo.connection.close()


async def test_without_a_worker_the_ring_is_bounded(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(transcode_plan(1))
    program = await publish(source_file("plain"), rig.live_url, rate=8)
    await program.done()
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    assert channel.ring.span_s == pytest.approx(10, abs=0.2)
    reading = await rig.fact(ChannelReading)
    assert reading.ring_bytes > 0


@pytest.mark.parametrize("silent", [{MessageType.VIDEO}, {MessageType.VIDEO, MessageType.AUDIO}])
async def test_a_worker_whose_picture_stands_still_is_let_go(
    rig: Rig, source_file: SourceFile, silent: set[MessageType]
) -> None:
    await rig.open(transcode_plan(1))
    echo = await worker(rig, 1)
    program = await publish(source_file("all-intra"), rig.live_url, rate=1)
    await until("a programme", lambda: echo.received > 50)
    echo.silent = silent
    down = await rig.fact(WorkerDown)
    assert "no programme frame" in down.reason
    await echo.connection.wait_closed()
    await program.stop()


async def test_a_newer_worker_takes_the_seat_and_the_old_one_is_closed(rig: Rig, source_file: SourceFile) -> None:
    await rig.open(transcode_plan(1))
    old = await worker(rig, 1)
    program = await publish(source_file("all-intra"), rig.live_url, rate=2)
    await until("a programme", lambda: old.received > 50)
    await rig.open(transcode_plan(2))
    new = await worker(rig, 2)
    await old.connection.wait_closed()
    await until("frames of the new one", lambda: len(rig.uplink.seen(ProgrammeUp)) == 2)
    assert new.received > 0
    with pytest.raises(Rejected):
        await worker(rig, 1)
    await program.stop()


async def test_another_ladder_goes_on_where_the_old_one_ended(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("all-intra")
    await rig.open(transcode_plan(1))
    first = await worker(rig, 1)
    program = await publish(file, rig.live_url, rate=2)
    await until("half of the source", lambda: first.received > 300)
    other = Ladder((Rendition("other", 320, 180, FrameRate(25), 400_000),))
    await rig.open(transcode_plan(2, other))
    second = await worker(rig, 2, top="other")
    await program.done()
    await rig.fact(SourceDown)
    channel = rig.running.gateway.by_playback(PLAYBACK)
    assert channel is not None
    assert second.start_after is not None
    await until(
        "the last frame",
        lambda: (
            channel.programme.meters["other"].last_ms == channel.timeline.newest_ms
            or channel.programme.meters["other"].frames > 100
        ),
    )
    assert isinstance(second.start_after["other"], float)
    assert second.start_after["other"] > 0
    await rig.close()
    _, index = await get(rig.hls_url)
    assert "other/index.m3u8" in index
    assert "top/index.m3u8" not in index

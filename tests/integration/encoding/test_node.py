"""A real node with real children: orders, readings, deaths."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest

from aiortmp import MediaBatch, MediaMessage, MessageType, amf0
from app.adapters.host.machine import Machine
from app.domain.encoder import Capabilities, CodecProbe, EncoderInfo, EncoderKind
from app.domain.errors import Conflict, InvalidRequest, NoCapacity, NotFound
from app.domain.ids import EncoderId, HostId, NodeId, StreamId
from app.domain.ladder import FrameRate, Rendition
from app.domain.link import (
    BreakWorker,
    CloseChannel,
    Fact,
    Heartbeat,
    Hello,
    Order,
    ReconfigureWorker,
    ReleaseStream,
    ReserveStream,
    StartWorker,
    StopWorker,
    WorkerExited,
)
from app.domain.stream import EncodeSettings
from app.media.encoding.confine import MAX_RSS_BYTES
from app.media.encoding.node import EncoderNode
from app.media.encoding.talk import ExitCode
from app.ports.host import HostFacts, HostReading, ProcessReading
from tests.integration.encoding.gate import TOKEN, Gate, until
from tests.unit.media.encoding.clips import BIG, SMALL, clip, settings, shifted, small, until_ms, video_of

COMMAND = (sys.executable, "-m", "app.assembly.worker")
INFO = EncoderInfo(
    encoder_id=EncoderId("enc_1"),
    node_id=NodeId("node_1"),
    host_id=HostId("host_1"),
    kind=EncoderKind.SOFTWARE,
    name="one",
    capabilities=Capabilities(
        cpu_model=None,
        cpu_cores=2,
        memory_bytes=2**30,
        gpus=(),
        probes=(CodecProbe("libx264", True), CodecProbe("h264_nvenc", False, "Cannot load libcuda.so.1")),
        max_streams=2,
        capacity_pixels_per_s=1e8,
        build="test",
    ),
)


@dataclass
class Link:
    """An uplink whose other end is the test."""

    facts: list[Fact] = field(default_factory=list)
    connected: bool = True

    async def run(self, hello: Callable[[], Hello], perform: Callable[[Order], Awaitable[None]]) -> None:
        await asyncio.Event().wait()

    def tell(self, fact: Fact) -> None:
        self.facts.append(fact)

    @property
    def exits(self) -> list[WorkerExited]:
        return [fact for fact in self.facts if isinstance(fact, WorkerExited)]

    @property
    def readings(self) -> list[Heartbeat]:
        return [fact for fact in self.facts if isinstance(fact, Heartbeat)]


class Greedy:
    """A host on which every process holds too much memory."""

    def facts(self) -> HostFacts:
        return HostFacts(None, 1, 1, ())

    def read(self) -> HostReading:
        return HostReading()

    def read_process(self, pid: int) -> ProcessReading | None:
        return ProcessReading(None, MAX_RSS_BYTES + 1)

    def forget_process(self, pid: int) -> None:
        pass


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
async def node(link: Link, tmp_path: Path) -> AsyncIterator[EncoderNode]:
    node = EncoderNode(info=INFO, version="1", host=Machine(tmp_path), uplink=link, command=COMMAND)
    work = asyncio.create_task(node.run())
    yield node
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_a_worker_is_started_once_however_often_it_is_ordered(
    node: EncoderNode, link: Link, gate: Gate
) -> None:
    order = gate.order()
    await node.perform(StartWorker(order))
    await node.perform(StartWorker(order))
    await until(lambda: gate.plays, "the worker to connect")
    assert len(node.hello().workers) == 1
    assert len(gate.connects) == 1


async def test_a_stopped_worker_is_gone_and_said_to_be(node: EncoderNode, link: Link, gate: Gate) -> None:
    order = gate.order()
    await node.perform(StartWorker(order))
    await until(lambda: gate.plays, "the worker to connect")
    await node.perform(StopWorker(order.worker_id, "the stream ended"))
    await until(lambda: link.exits, "the exit to be told")
    assert link.exits[0].worker_id == order.worker_id
    assert "the stream ended" in link.exits[0].reason
    assert node.hello().workers == ()
    await node.perform(StopWorker(order.worker_id, "again"))
    assert len(link.exits) == 1


async def test_a_newer_generation_replaces_the_older_which_is_refused_from_then_on(
    node: EncoderNode, link: Link, gate: Gate
) -> None:
    await node.perform(StartWorker(gate.order(1)))
    await until(lambda: gate.plays, "the first worker to connect")
    await node.perform(StartWorker(gate.order(2)))
    await until(lambda: link.exits, "the old worker to go")
    assert link.exits[0].generation == 1
    assert "generation 2" in link.exits[0].reason
    assert [worker.generation for worker in node.hello().workers] == [2]
    with pytest.raises(Conflict):
        await node.perform(StartWorker(gate.order(1)))


async def test_a_standby_runs_beside_the_worker_that_encodes_and_either_can_be_stopped(
    node: EncoderNode, link: Link, gate: Gate
) -> None:
    await node.perform(StartWorker(gate.order(1)))
    await node.perform(StartWorker(replace(gate.order(2), standby=True)))
    await until(lambda: len(gate.plays) == 2, "both workers to connect")
    assert link.exits == []
    await node.perform(StartWorker(gate.order(stream="str_2")))
    with pytest.raises(NoCapacity):
        await node.perform(StartWorker(gate.order(stream="str_3")))
    await node.perform(StopWorker(gate.order(1).worker_id, "its standby took over"))
    await until(lambda: link.exits, "the old worker to go")
    await node.perform(StartWorker(replace(gate.order(3), standby=True)))
    await until(lambda: len(gate.plays) == 4, "the next standby to connect")
    await node.perform(StopWorker(gate.order(3).worker_id, "no longer wanted"))
    await until(lambda: len(link.exits) == 2, "the standby to go")
    assert sorted(w.generation for w in node.hello().workers if w.stream_id == "str_1") == [2]


@pytest.mark.parametrize(("how", "status"), [("kill", None), ("stall", psutil.STATUS_STOPPED)])
async def test_a_drill_breaks_a_worker_for_real(
    node: EncoderNode, link: Link, gate: Gate, how: str, status: str | None
) -> None:
    order = gate.order()
    await node.perform(StartWorker(order))
    await until(lambda: gate.plays, "the worker to connect")
    child = children()[0]
    await node.perform(BreakWorker(order.worker_id, how))
    if status is None:
        await until(lambda: link.exits, "the exit to be told")
        assert link.exits[0].reason == "killed by SIGKILL"
    else:
        await until(lambda: child.status() == status, "the worker to stand still")
        assert link.exits == []


async def test_a_running_worker_goes_on_at_another_rate_without_a_break(
    node: EncoderNode, link: Link, gate: Gate
) -> None:
    noisy = clip(small(width=640, height=360, noisy=True, seconds=6))
    plan = settings(rendition(500_000))
    order = gate.order(plan=plan)
    await node.perform(StartWorker(order))
    await until(lambda: gate.plays, "the worker to connect")
    gate.start_feed()
    place = until_ms(noisy, 2_500)
    gate.send(noisy[:place])
    await until(lambda: gate.times("big"), "the worker to encode")
    await node.perform(ReconfigureWorker(order.worker_id, settings(rendition(150_000))))
    gate.send(noisy[place:])
    gate.end_feed()
    await until(lambda: link.exits, "the worker to end with its source")
    assert gate.times("big") == [packet.pts_ms for packet in video_of(noisy)]
    assert len(gate.headers("big")) == 1
    sizes = {m.timestamp: len(m.payload) for m in gate.tracks["big"] if m.type is MessageType.VIDEO}
    fast = sum(size for time, size in sizes.items() if time < 2_000)
    slow = sum(size for time, size in sizes.items() if time >= 4_000)
    assert slow < fast / 2


async def test_a_feed_that_begins_later_begins_with_the_new_rates(node: EncoderNode, gate: Gate) -> None:
    order = gate.order(plan=settings(rendition(500_000)))
    await node.perform(StartWorker(order))
    await until(lambda: gate.plays, "the worker to connect")
    gate.say("onStandby", grade="warm")
    await node.perform(ReconfigureWorker(order.worker_id, settings(rendition(150_000))))
    gate.start_feed()
    gate.send(clip(small()))
    await until(lambda: gate.times("big"), "the worker to encode")
    about = next(m for m in gate.tracks["big"] if m.type is MessageType.DATA and b"onMetaData" in m.payload)
    values = amf0.decode(about.payload)[-1]
    assert isinstance(values, dict)
    assert values["videodatarate"] == 150.0


async def test_what_needs_another_worker_is_refused_and_the_worker_goes_on(
    node: EncoderNode, link: Link, gate: Gate
) -> None:
    order = gate.order()
    with pytest.raises(NotFound):
        await node.perform(ReconfigureWorker(order.worker_id, settings()))
    await node.perform(StartWorker(order))
    with pytest.raises(Conflict, match="more than the bitrate"):
        await node.perform(ReconfigureWorker(order.worker_id, settings(rendition(400_000))))
    faster = replace(BIG, video_bps=20_000_000)
    with pytest.raises(Conflict, match="parameter sets"):
        await node.perform(ReconfigureWorker(order.worker_id, settings(faster, SMALL)))
    assert link.exits == []


def rendition(video_bps: int) -> Rendition:
    return Rendition("big", 640, 360, FrameRate(30), video_bps)


async def test_only_known_workers_are_broken_in_known_ways(node: EncoderNode, gate: Gate) -> None:
    order = gate.order()
    with pytest.raises(NotFound):
        await node.perform(BreakWorker(order.worker_id, "kill"))
    await node.perform(StartWorker(order))
    with pytest.raises(InvalidRequest, match="bend"):
        await node.perform(BreakWorker(order.worker_id, "bend"))


async def test_a_worker_that_stood_still_while_it_was_cut_off_ends_by_itself(
    node: EncoderNode, link: Link, gate: Gate
) -> None:
    order = gate.order()
    await node.perform(StartWorker(order))
    await until(lambda: gate.plays, "the worker to connect")
    gate.start_feed()
    gate.send(clip(small()))
    await until(lambda: gate.times("big"), "the worker to encode")
    child = children()[0]
    await node.perform(BreakWorker(order.worker_id, "stall"))
    await until(lambda: child.status() == psutil.STATUS_STOPPED, "the worker to stand still")
    gate.connections[0].abort("replaced")
    os.kill(child.pid, signal.SIGCONT)
    await until(lambda: link.exits, "the worker to end")
    assert link.exits[0].exit_code == ExitCode.LOST


async def test_a_problem_of_the_source_is_logged_and_the_worker_goes_on(
    link: Link, gate: Gate, tmp_path: Path
) -> None:
    logged: list[tuple[str, dict[str, object]]] = []
    node = EncoderNode(
        info=INFO,
        version="1",
        host=Machine(tmp_path),
        uplink=link,
        command=COMMAND,
        log=lambda event, facts: logged.append((event, facts)),
    )
    await node.perform(StartWorker(gate.order()))
    await until(lambda: gate.plays, "the worker to connect")
    gate.start_feed()
    gate.plays[-1].send(MediaBatch.of([MediaMessage(MessageType.VIDEO, 0, b"\x22\x00\x00")]))
    await until(lambda: any(event == "source problem" for event, _ in logged), "the problem to be logged")
    assert link.exits == []
    assert TOKEN not in repr(logged)
    await node.close()


async def test_there_is_room_for_as_many_streams_as_told_reservations_included(
    node: EncoderNode, gate: Gate
) -> None:
    await node.perform(StartWorker(gate.order(stream="str_1")))
    backup = gate.order(stream="str_2")
    await node.perform(ReserveStream(backup.stream_id, backup))
    with pytest.raises(NoCapacity):
        await node.perform(StartWorker(gate.order(stream="str_3")))
    await node.perform(StartWorker(backup))
    with pytest.raises(NoCapacity):
        await node.perform(ReserveStream(StreamId("str_3"), gate.order(stream="str_3")))


async def test_a_released_place_can_be_taken(node: EncoderNode, gate: Gate) -> None:
    for stream in ("str_1", "str_2"):
        await node.perform(ReserveStream(StreamId(stream), gate.order(stream=stream)))
    await node.perform(ReleaseStream(StreamId("str_1")))
    await node.perform(ReserveStream(StreamId("str_3"), gate.order(stream="str_3")))


async def test_a_new_link_begins_without_reservations(node: EncoderNode, gate: Gate) -> None:
    for stream in ("str_1", "str_2"):
        await node.perform(ReserveStream(StreamId(stream), gate.order(stream=stream)))
    node.hello()
    for stream in ("str_3", "str_4"):
        await node.perform(ReserveStream(StreamId(stream), gate.order(stream=stream)))


async def test_what_the_probe_refused_is_refused_with_its_reason(node: EncoderNode, gate: Gate) -> None:
    plan = settings()
    order = gate.order(plan=EncodeSettings(plan.ladder, 1_000, codec="h264_nvenc"))
    with pytest.raises(NoCapacity, match="libcuda"):
        await node.perform(ReserveStream(order.stream_id, order))


async def test_a_node_runs_no_channels(node: EncoderNode) -> None:
    with pytest.raises(InvalidRequest):
        await node.perform(CloseChannel(StreamId("str_1"), "x"))


async def test_a_killed_worker_is_told_with_its_signal(node: EncoderNode, link: Link, gate: Gate) -> None:
    await node.perform(StartWorker(gate.order()))
    await until(lambda: gate.plays, "the worker to connect")
    os.kill(children()[0].pid, signal.SIGKILL)
    await until(lambda: link.exits, "the exit to be told")
    assert link.exits[0].exit_code == -signal.SIGKILL
    assert link.exits[0].reason == "killed by SIGKILL"


async def test_a_worker_that_does_not_listen_is_stopped_for_certain(
    node: EncoderNode, link: Link, gate: Gate
) -> None:
    order = gate.order()
    await node.perform(StartWorker(order))
    await until(lambda: gate.plays, "the worker to connect")
    os.kill(children()[0].pid, signal.SIGSTOP)
    await node.perform(StopWorker(order.worker_id, "frozen"))
    await until(lambda: link.exits, "the exit to be told")
    assert link.exits[0].exit_code == -signal.SIGKILL


async def test_a_worker_that_holds_too_much_memory_is_ended(link: Link, gate: Gate) -> None:
    node = EncoderNode(info=INFO, version="1", host=Greedy(), uplink=link, command=COMMAND)
    await node.perform(StartWorker(gate.order()))
    node.read()
    await until(lambda: link.exits, "the exit to be told")
    assert "MiB of memory" in link.exits[0].reason


async def test_heartbeats_tell_how_machine_and_workers_are(node: EncoderNode, link: Link, gate: Gate) -> None:
    await node.perform(StartWorker(gate.order()))
    await until(lambda: gate.plays, "the worker to connect")
    gate.start_feed()
    gate.send(shifted(clip(small()), 0))

    def told() -> bool:
        workers = [worker for beat in link.readings[-1:] for worker in beat.reading.workers]
        return any(w.frames_encoded and w.rss_bytes and w.codec == "libx264" for w in workers)

    await until(told, "a reading with frames")
    reading = link.readings[-1].reading
    assert reading.memory_percent is not None
    assert reading.disk_free_bytes is not None
    assert TOKEN not in repr(link.facts)


async def test_a_worker_that_can_t_be_started_at_all_frees_its_place(
    link: Link, gate: Gate, tmp_path: Path
) -> None:
    node = EncoderNode(
        info=INFO,
        version="1",
        host=Machine(tmp_path),
        uplink=link,
        command=(sys.executable, "-c", "raise SystemExit(9)"),
    )
    for generation in (1, 2, 3):
        await node.perform(StartWorker(gate.order(generation)))
        await until(lambda n=generation: len(link.exits) == n, "the exit to be told")  # type: ignore[misc]  # bound early
    assert link.exits[0].exit_code == 9
    assert node.hello().workers == ()


async def test_children_die_with_a_killed_node(gate: Gate, tmp_path: Path) -> None:
    node = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.encoding.lone_node",
        str(gate.order().gateway_port),
        str(tmp_path),
        stdin=asyncio.subprocess.DEVNULL,
    )
    await until(lambda: gate.plays, "the worker to connect")
    worker = psutil.Process(node.pid).children()[0]
    node.kill()
    await node.wait()
    await until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "the worker to die")


def children() -> list[psutil.Process]:
    """This process's worker children."""
    return [child for child in psutil.Process().children() if "app.assembly.worker" in child.cmdline()]

"""A real worker child against a real RTMP server: source in, renditions out."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from aiortmp import MediaBatch, MediaMessage, MessageType, amf0, flv
from app.domain.stream import EncodeSettings
from app.media.encoding.children import OnProblem, WorkerChild
from app.media.encoding.packets import VideoEnd
from app.media.encoding.talk import ExitCode
from tests.integration.encoding.gate import TOKEN, Gate, until
from tests.unit.media.encoding.clips import clip, from_key_at_or_before, small, video_of

COMMAND = (sys.executable, "-m", "app.assembly.worker")


@dataclass
class Exits:
    seen: list[tuple[int, str]] = field(default_factory=list)

    def __call__(self, child: WorkerChild, code: int, reason: str) -> None:
        self.seen.append((code, reason))


async def start(
    gate: Gate,
    exits: Exits,
    *,
    plan: EncodeSettings | None = None,
    on_problem: OnProblem = lambda child, text: None,
) -> WorkerChild:
    child = await WorkerChild.start(gate.order(plan=plan), command=COMMAND, on_exit=exits, on_problem=on_problem)
    await until(lambda: gate.plays or exits.seen, "the worker to connect")
    return child


async def test_a_source_with_b_frames_comes_back_as_renditions(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits)
    items = clip(small(b_frames=2))
    gate.start_feed()
    gate.send(items)
    gate.end_feed()
    await until(lambda: exits.seen, "the worker to end with its source")
    assert exits.seen[0][0] == ExitCode.DONE
    shown = sorted(packet.pts_ms for packet in video_of(items))
    for track in ("big", "small"):
        assert gate.times(track) == shown
        assert gate.numbers(track) == list(range(90))
    assert len(gate.times("audio")) > 100


async def test_a_track_opens_with_metadata_and_its_header(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits)
    gate.start_feed()
    gate.send(clip(small()))
    gate.end_feed()
    await until(lambda: exits.seen, "the worker to end with its source")
    about, header, first = gate.tracks["big"][:3]
    name, values = amf0.decode(about.payload)[-2:]
    assert name == "onMetaData"
    assert isinstance(values, dict)
    assert (values["width"], values["height"], values["framerate"]) == (320.0, 180.0, 30.0)
    assert flv.parse_video(header.payload).is_sequence_header
    assert flv.parse_video(first.payload).is_keyframe
    assert about.timestamp == header.timestamp == first.timestamp


async def test_nothing_at_or_before_the_start_of_a_feed_is_sent(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits)
    items = clip(small())
    last = [packet.pts_ms for packet in video_of(items)][47]
    gate.start_feed({"big": last, "small": last, "audio": 1_500})
    gate.send(from_key_at_or_before(items, last))
    gate.end_feed()
    await until(lambda: exits.seen, "the worker to end with its source")
    assert gate.numbers("big") == list(range(48, 90))
    assert min(gate.times("big")) > last
    assert min(gate.times("audio")) > 1_500


async def test_a_publisher_can_t_play_gateway(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits)
    items = clip(small())
    gate.start_feed()
    gate.send(items[:20])
    for nonce in ("none", "guessed", ""):
        gate.say("onFeedStart", nonce=nonce, start_after={"big": 2_000, "small": 2_000, "audio": 2_000})
        gate.say("onStandby", nonce=nonce, grade="warm")
        gate.say("onSlate", nonce=nonce, mode="still", from_ms=0)
    gate.send(items[20:])
    gate.end_feed()
    await until(lambda: exits.seen, "the worker to end with its source")
    assert gate.numbers("big") == list(range(90))


async def test_the_last_frames_come_out_though_the_feed_stays_open(gate: Gate) -> None:
    exits = Exits()
    child = await start(gate, exits)
    gate.start_feed()
    gate.send([*clip(small(b_frames=2)), VideoEnd()])
    await until(lambda: len(gate.times("big")) == 90, "all frames")
    assert not exits.seen, "a publisher may come back"
    await child.stop("test ends")


async def test_garbage_hurts_nothing_but_itself(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits)
    gate.start_feed()
    garbage = [
        MediaMessage(kind, 0, payload)
        for kind in (MessageType.VIDEO, MessageType.AUDIO, MessageType.DATA)
        for payload in (
            b"",
            b"\x17",
            b"\x17\x00",
            b"\x27\x01\x00\x00\x00",
            b"\xff" * 50,
            b"\x17\x00\x00\x00\x00\x01",
        )
    ]
    gate.plays[-1].send(MediaBatch.of(garbage))
    gate.send(clip(small()))
    gate.end_feed()
    await until(lambda: exits.seen, "the worker to end with its source")
    assert exits.seen[0][0] == ExitCode.DONE
    assert gate.numbers("big") == list(range(90))


async def test_pictures_that_cannot_be_read_are_counted_as_dropped(gate: Gate) -> None:
    child = await start(gate, Exits())
    gate.start_feed()
    gate.plays[-1].send(MediaBatch.of([MediaMessage(MessageType.VIDEO, 0, b"\x27\x01")] * 3))
    await until(lambda: child.figures is not None and child.figures.frames_dropped == 3, "the count")
    await child.stop("test ends")


async def test_a_refused_worker_says_why(gate: Gate) -> None:
    gate.refuse = "generation 1 is over"
    exits = Exits()
    await start(gate, exits)
    await until(lambda: exits.seen, "the worker to give up")
    code, reason = exits.seen[0]
    assert code == ExitCode.REFUSED
    assert "generation 1 is over" in reason
    assert TOKEN not in reason


async def test_a_lost_gateway_ends_the_worker(gate: Gate) -> None:
    exits = Exits()
    await start(gate, exits)
    gate.connections[0].abort("cut")
    await until(lambda: exits.seen, "the worker to notice")
    assert exits.seen[0][0] == ExitCode.LOST


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
async def test_the_token_is_neither_in_arguments_nor_in_the_environment(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCMAN_LINK_TOKEN", "secret-of-the-node")
    exits = Exits()
    child = await start(gate, exits)
    assert gate.connects[0].args["token"] == TOKEN
    process = Path("/proc") / str(child.pid)
    seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert TOKEN.encode() not in seen
    assert b"secret-of-the-node" not in seen
    await child.stop("test ends")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
async def test_the_child_is_confined(gate: Gate) -> None:
    child = await start(gate, Exits())
    status = (Path("/proc") / str(child.pid) / "status").read_text(encoding="ascii")
    assert "NoNewPrivs:\t1" in status
    process = psutil.Process(child.pid)
    assert process.nice() > psutil.Process().nice()
    limits = (Path("/proc") / str(child.pid) / "limits").read_text(encoding="ascii")
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4] == "0"
    await child.stop("test ends")

"""Recordings: every frame, one file over a reconnect, playable after SIGKILL, and a full disk ends them alone."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aiortmp import MediaBatch
from app.domain.link import SourceDown
from app.domain.stream import Outputs
from app.media.arrival import arrive
from app.media.record.files import RecordingFiles
from app.media.record.fragments import Piece
from app.media.record.recorder import Recorder
from app.media.timeline import Timeline
from tests.integration.gateway.material import messages_of
from tests.integration.gateway.rig import STREAM, Rig, count_frames, plan, publish, start, until

SourceFile = Callable[[str], Path]
RECORDING = Outputs(hls=False, http_flv=False, rtmp_play=False, record=True)


@pytest.mark.parametrize("name", ["plain", "b-frames", "picture", "sound"])
async def test_every_frame_is_recorded(rig: Rig, source_file: SourceFile, name: str) -> None:
    file = source_file(name)
    await rig.open(plan(outputs=RECORDING))
    await (await publish(file, rig.live_url, rate=8)).done()
    await rig.fact(SourceDown)
    await rig.close()
    assert await count_frames(str(recordings(rig) / "part-0001.mp4")) == await count_frames(str(file))


async def test_a_publisher_that_comes_back_goes_on_in_the_same_file(rig: Rig, source_file: SourceFile) -> None:
    file = source_file("plain")
    await rig.open(plan(outputs=RECORDING))
    for turn in (1, 2):
        await (await publish(file, rig.live_url, rate=8)).done()
        await rig.fact(SourceDown, turn)
    await rig.close()
    once = await count_frames(str(file))
    seen = await count_frames(str(recordings(rig) / "part-0001.mp4"))
    assert seen == {codec: 2 * frames for codec, frames in once.items()}
    [part] = json.loads((recordings(rig) / "index.json").read_text())["parts"]
    assert part["bytes"] == (recordings(rig) / "part-0001.mp4").stat().st_size


KILLED = """
import asyncio, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from aiortmp import MediaBatch
from aiortmp.flv import FlvReader
from app.media.arrival import arrive
from app.media.record.recorder import Recorder
from app.media.timeline import Timeline

async def main():
    recorder = Recorder(Path(sys.argv[2]), executor=ThreadPoolExecutor(1))
    recorder.start(asyncio.ensure_future(recorder.run()))
    timeline = Timeline()
    for message in FlvReader().feed(Path(sys.argv[1]).read_bytes()):
        recorder.take(arrive(MediaBatch.of([message]), lambda f: timeline.place(f, now_s=0, wall_ms=0)))
    while recorder.bytes_written < 10_000:
        await asyncio.sleep(0.01)
    print("written", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_what_was_written_plays_after_sigkill(source_file: SourceFile, tmp_path: Path) -> None:
    file = source_file("plain")
    folder = tmp_path / "killed"
    child = await start([sys.executable, "-c", KILLED, str(file), str(folder)])
    part = folder / "part-0001.mp4"
    await until("four fragments", lambda: part.exists() and part.read_bytes().count(b"moof") >= 4)
    os.kill(child.process.pid, signal.SIGKILL)
    await child.done()
    # Ten seconds with a key frame every two: all but the group that was still open.
    assert (await count_frames(str(part)))["h264"] == 200


async def test_a_recorder_after_a_restart_begins_a_new_part(source_file: SourceFile, tmp_path: Path) -> None:
    messages = messages_of(source_file("plain"))
    for _ in range(2):
        with ThreadPoolExecutor(1) as executor:
            recorder = Recorder(tmp_path / "r", executor=executor)
            recorder.start(asyncio.ensure_future(recorder.run()))
            timeline = Timeline()
            placed = arrive(MediaBatch.of(messages), lambda f, t=timeline: t.place(f, now_s=0, wall_ms=0))
            recorder.take(placed)
            await recorder.close()
    parts = json.loads((tmp_path / "r" / "index.json").read_text())["parts"]
    assert [part["file"] for part in parts] == ["part-0001.mp4", "part-0002.mp4"]
    for part in parts:
        assert (await count_frames(str(tmp_path / "r" / part["file"])))["h264"] == 250


class FullDisk(RecordingFiles):
    """Files on a disk with no room after the first piece, until `room` is given."""

    room = False

    def write(self, piece: Piece) -> None:
        if self.bytes_written and not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(piece)


async def test_a_full_disk_ends_the_part_and_the_recording_goes_on_when_there_is_room(
    source_file: SourceFile, tmp_path: Path
) -> None:
    messages = messages_of(source_file("plain"))
    timeline = Timeline()
    disk = FullDisk(tmp_path / "full")

    def take(some: list) -> None:  # type: ignore[type-arg]  # of MediaMessage
        for message in some:
            recorder.take(arrive(MediaBatch.of([message]), lambda f: timeline.place(f, now_s=0, wall_ms=0)))

    with ThreadPoolExecutor(1) as executor:
        recorder = Recorder(tmp_path / "full", executor=executor, files=lambda _: disk, retry_s=0.1)
        recorder.start(asyncio.ensure_future(recorder.run()))
        half = len(messages) // 2
        take(messages[:half])
        await until("the failure", lambda: recorder.failures > 0)
        disk.room = True
        await until("another try", lambda: recorder.failed is None)
        take(messages[half:])
        await recorder.close()
    assert (await count_frames(str(tmp_path / "full" / "part-0001.mp4")))["h264"] == 50
    assert (await count_frames(str(tmp_path / "full" / "part-0002.mp4")))["h264"] >= 100


async def test_a_disk_that_stays_full_holds_nobody_up(source_file: SourceFile, tmp_path: Path) -> None:
    timeline = Timeline()
    with ThreadPoolExecutor(1) as executor:
        recorder = Recorder(tmp_path / "full", executor=executor, files=FullDisk)
        recorder.start(asyncio.ensure_future(recorder.run()))
        batch = MediaBatch.of(messages_of(source_file("plain")))
        recorder.take(arrive(batch, lambda f: timeline.place(f, now_s=0, wall_ms=0)))
        await until("the failure", lambda: recorder.failed == "No space left on device")
        async with asyncio.timeout(10):
            await recorder.close()
    assert recorder.lost_pieces > 0


def recordings(rig: Rig) -> Path:
    return rig.data_dir / "recordings" / STREAM

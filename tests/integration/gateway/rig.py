"""A real gateway in this process with an uplink of the test's own, and real programs around it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import aiohttp

from app.assembly.gateway import RunningGateway
from app.assembly.settings import Settings
from app.domain.ids import PlaybackId, StreamId
from app.domain.ladder import Ladder
from app.domain.link import CloseChannel, Fact, Hello, OpenChannel, Order
from app.domain.secret import Secret
from app.domain.stream import ChannelPlan, Outputs, StandbyGrade, StreamMode, Timing, WorkerGrant
from app.media.admission import digest
from tests.support.peers import program

KEY = "testkey_0123456789abcdef"
STREAM = StreamId("str_01")
PLAYBACK = PlaybackId("play_00000000000000000000000001")
DEADLINE_S = 30.0
T = TypeVar("T")


class MemoryUplink:
    """An uplink without a wire: facts are kept, orders are given by the test."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.connected = False
        self.hello: Callable[[], Hello] | None = None
        self._perform: Callable[[Order], Awaitable[None]] | None = None
        self._started = asyncio.Event()

    async def run(self, hello: Callable[[], Hello], perform: Callable[[Order], Awaitable[None]]) -> None:
        self.hello, self._perform, self.connected = hello, perform, True
        self._started.set()
        await asyncio.Event().wait()

    def tell(self, fact: Fact) -> None:
        self.facts.append(fact)

    async def order(self, order: Order) -> None:
        await self._started.wait()
        assert self._perform is not None
        await self._perform(order)

    def seen(self, kind: type[T]) -> list[T]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


class Rig:
    def __init__(self, gateway: RunningGateway, uplink: MemoryUplink, data_dir: Path) -> None:
        self.running = gateway
        self.uplink = uplink
        self.data_dir = data_dir

    @property
    def rtmp(self) -> str:
        return f"rtmp://127.0.0.1:{self.running.rtmp_port}"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.running.http_port}"

    @property
    def live_url(self) -> str:
        return f"{self.rtmp}/live/{KEY}"

    @property
    def hls_url(self) -> str:
        return f"{self.http}/hls/{PLAYBACK}/index.m3u8"

    async def open(self, plan: ChannelPlan) -> None:
        await self.uplink.order(OpenChannel(plan))

    async def close(self, reason: str = "test is over") -> None:
        await self.uplink.order(CloseChannel(STREAM, reason))

    async def fact(self, kind: type[T], count: int = 1) -> T:
        """The `count`-th fact of this kind, waited for."""
        await until(f"{count} x {kind.__name__}", lambda: len(self.uplink.seen(kind)) >= count)
        return self.uplink.seen(kind)[count - 1]


def plan(
    *,
    mode: StreamMode = StreamMode.PASSTHROUGH,
    ladder: Ladder = Ladder(()),  # noqa: B008 - frozen
    revision: int = 1,
    key: str = KEY,
    expires_at: datetime | None = None,
    segment_ms: int = 2_000,
    outputs: Outputs = Outputs(),  # noqa: B008 - frozen
    active: WorkerGrant | None = None,
    standby: WorkerGrant | None = None,
    grade: StandbyGrade = StandbyGrade.WARM,
    reconnect_window_s: int = 60,
) -> ChannelPlan:
    timing = Timing(segment_ms=segment_ms, reconnect_window_s=reconnect_window_s)
    return ChannelPlan(
        stream_id=STREAM,
        playback_id=PLAYBACK,
        revision=revision,
        mode=mode,
        key_sha256=digest(key),
        key_expires_at=expires_at,
        ladder=ladder,
        timing=timing,
        outputs=outputs,
        active=active,
        standby=standby,
        grade=grade,
    )


@contextlib.asynccontextmanager
async def gateway(data_dir: Path, **settings: object) -> AsyncIterator[Rig]:
    uplink = MemoryUplink()
    chosen = {"data_dir": data_dir, "rtmp_port": 0, "http_port": 0, "link_token": Secret("t"), **settings}
    running = RunningGateway(Settings(**chosen), uplink)
    await running.start()
    try:
        yield Rig(running, uplink, data_dir)
    finally:
        await running.stop()


async def until(what: str, look: Callable[[], object], *, within_s: float = DEADLINE_S) -> None:
    """Ask until the answer is true; fails when the time is over."""
    try:
        async with asyncio.timeout(within_s):
            while not look():  # noqa: ASYNC110 - what is looked at has no event to wait for
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"never came: {what}") from None


class Program:
    """A started program with what it printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._output = asyncio.ensure_future(process.communicate())

    async def done(self, within_s: float = DEADLINE_S) -> str:
        """Its output, once it has ended by itself."""
        out, _ = await asyncio.wait_for(asyncio.shield(self._output), within_s)
        return out.decode(errors="replace")

    async def stop(self) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        await self._output


async def start(arguments: Sequence[str]) -> Program:
    process = await asyncio.create_subprocess_exec(
        *arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return Program(process)


async def publish(file: Path, url: str, *, rate: float = 4.0, extra: Sequence[str] = ()) -> Program:
    """ffmpeg that publishes `file` `rate` times as fast as it plays, without encoding."""
    ffmpeg = program("ffmpeg", package="ffmpeg")
    head = [ffmpeg, "-nostdin", "-v", "error", *extra, "-readrate", str(rate), "-i", str(file)]
    return await start([*head, "-c", "copy", "-f", "flv", "-flvflags", "no_duration_filesize", url])


async def count_frames(url: str) -> dict[str, int]:
    """Frames that ffmpeg decodes from `url`, for each codec."""
    return {stream["codec_name"]: int(stream["nb_read_frames"]) for stream in await probe(url)}


async def probe(url: str) -> list[dict[str, str]]:
    ffprobe = program("ffprobe", package="ffmpeg")
    fields = "stream=codec_name,nb_read_frames,start_time"
    arguments = [ffprobe, "-v", "error", "-count_frames", "-show_entries", fields, "-of", "json", url]
    out = await (await start(arguments)).done()
    seen = {stream["codec_name"]: stream for stream in json.loads(out[out.index("{") :])["streams"]}
    return list(seen.values())


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()

"""A crowd that takes every file descriptor of the gateway: what runs goes on, and the doors open again after it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import ClientError, web

from aiortmp import MediaBatch, MessageType, RtmpError
from aiortmp.aio import connect
from app.adapters.link.server import LinkServer
from app.domain.ids import GatewayId
from app.domain.link import Fact, Hello, OpenChannel
from app.domain.secret import Secret
from app.ports.link import PeerId
from tests.integration.gateway.rig import KEY, PLAYBACK, get, plan, publish, until
from tests.support.peers import free_port

TOKEN = "t" * 32
LIMIT = 128
CROWD = 150
"""At each door: more than the gateway may have open."""
SPOKEN_LINES = 60
"""Some are said at the start and for the stream itself."""
GATEWAY = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
if "{loop}" == "asyncio":
    sys.modules["uvloop"] = None  # as where it is not installed
sys.argv = ["app", "gateway"]
runpy.run_module("app", run_name="__main__", alter_sys=True)
"""


class _Deaf:
    """Control's ear, of which nothing is asked here."""

    def refusal(self, hello: Hello) -> str | None:
        return None

    async def on_hello(self, hello: Hello) -> None: ...

    async def on_fact(self, peer: PeerId, fact: Fact) -> None: ...

    async def on_lost(self, peer: PeerId, reason: str) -> None: ...


class Confined:
    """A gateway process that may open few files."""

    def __init__(self, child: asyncio.subprocess.Process, link: LinkServer, *, rtmp: int, http: int) -> None:
        self.child, self.link, self.rtmp, self.http = child, link, rtmp, http
        self.said: list[bytes] = []
        self.listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self.child.stderr is not None
        async for line in self.child.stderr:
            self.said.append(line)


@contextlib.asynccontextmanager
async def confined(data_dir: Path, loop: str) -> AsyncIterator[Confined]:
    """It runs and knows one stream."""
    link = LinkServer(token=Secret(TOKEN))
    link.listen(_Deaf())
    control = web.Application()
    control.router.add_get("/link", link.handle)
    runner = web.AppRunner(control)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    rtmp, http = free_port(), free_port()
    env = {
        "PATH": os.environ["PATH"],
        "ENCMAN_DATA_DIR": str(data_dir),
        "ENCMAN_LINK_TOKEN": TOKEN,
        "ENCMAN_GATEWAY_ID": "gw-1",
        "ENCMAN_RTMP_PORT": str(rtmp),
        "ENCMAN_HTTP_PORT": str(http),
        "ENCMAN_CONTROL_URL": f"http://127.0.0.1:{runner.addresses[0][1]}",
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", GATEWAY.format(limit=LIMIT, loop=loop), env=env, stderr=asyncio.subprocess.PIPE
    )
    gateway = Confined(child, link, rtmp=rtmp, http=http)
    try:
        await until("the gateway", lambda: link.is_connected(GatewayId("gw-1")))
        await link.order(GatewayId("gw-1"), OpenChannel(plan()))
        yield gateway
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
        await gateway.listening
        await link.close()
        await runner.cleanup()


class Viewer:
    def __init__(self) -> None:
        self.pictures: list[int] = []

    def on_media(self, batch: MediaBatch) -> None:
        self.pictures += [
            message.timestamp for message in batch if message.type is MessageType.VIDEO and message.payload[1] == 1
        ]

    def on_end(self, reason: str) -> None:
        pass


@contextlib.contextmanager
def _crowd(*ports: int) -> Iterator[None]:
    """Connections that say nothing, from several addresses; nobody waits for the gateway to take them."""
    with contextlib.ExitStack() as crowd:
        for port in ports:
            for number in range(CROWD):
                one = crowd.enter_context(contextlib.closing(socket.socket()))
                one.setblocking(False)
                one.bind((f"127.0.1.{number % 8 + 1}", 0))
                one.connect_ex(("127.0.0.1", port))
        yield


async def _opens(gateway: Confined) -> bool:
    try:
        async with asyncio.timeout(1):
            connection = await connect(f"rtmp://127.0.0.1:{gateway.rtmp}/live")
            await connection.close()
            return (await get(f"http://127.0.0.1:{gateway.http}/livez"))[0] == 200
    except (RtmpError, ClientError, OSError, TimeoutError):
        return False


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_a_crowd_that_takes_every_descriptor_stops_no_stream_and_the_doors_open_after_it(
    tmp_path: Path, source_file: Callable[[str], Path], loop: str
) -> None:
    async with confined(tmp_path, loop) as gateway:
        viewer, address = Viewer(), f"rtmp://127.0.0.1:{gateway.rtmp}"
        source = await publish(source_file("plain"), f"{address}/live/{KEY}", rate=1.0)
        watching = await connect(f"{address}/play")
        await watching.play(PLAYBACK, viewer)
        await until("the stream", lambda: viewer.pictures)
        with _crowd(gateway.rtmp, gateway.http):
            seen = len(viewer.pictures)
            await until("two seconds of the stream", lambda: len(viewer.pictures) >= seen + 50)
        async with asyncio.timeout(10):
            while not await _opens(gateway):  # noqa: ASYNC110 - another process has no event to wait for
                await asyncio.sleep(0.1)
        await source.done()
        await watching.close()
        assert {b - a for a, b in pairwise(viewer.pictures)} == {40}
        assert len(gateway.said) < SPOKEN_LINES, b"".join(gateway.said[-20:]).decode()
        gateway.child.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(gateway.child.wait(), 20) == 0

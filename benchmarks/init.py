"""How long `POST /api/streams/init` takes, and how many a second there are next to a bare handler.

    python -m benchmarks.init [--rate 50] [--seconds 10] [--encoders 100]

One process serves control on SQLite with simulated encoders that report twice a second, and beside it a bare
aiohttp handler that writes the same rows through the same store. Another process is the clients, and a gateway that
answers every order over the real link. First inits come at a steady rate (open loop: late answers delay no other);
then both handlers are asked as fast as they answer, turn and turn about. Printed as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import orjson
from aiohttp import web

from app.adapters.encoders.simulated import SimulatedEncoder
from app.adapters.link.uplink import WebSocketUplink
from app.adapters.store.sql_store import SqlStore
from app.api.limits import DoorLimits
from app.assembly.control import serving, settle
from app.assembly.logs import configure_logs
from app.assembly.process import new_loop
from app.assembly.settings import Settings
from app.domain.encoder import Capabilities, CodecProbe, EncoderInfo, EncoderKind
from app.domain.ids import EncoderId, GatewayId, HostId, NodeId, StreamId
from app.domain.link import GatewayHello, Order
from app.domain.note import Note
from app.domain.secret import Secret
from app.domain.session import StreamRecord
from app.policy.rates import Rate
from app.runtime.clock import utc_now

TOKEN, KEY = Secret("benchmark-link-token"), Secret("emk_live_benchmark-key-of-this-run-0001")
BODY = {"resolution": "1920x1080", "bitrate": 5_000_000, "fps": 30}
AMPLE = Rate(10_000_000, 60.0)
LIMITS = DoorLimits(reads=AMPLE, writes=AMPLE, inits=AMPLE, at_once_per_key=10_000)
AT_ONCE = 8
ROUNDS = 6
HEARTBEAT_S = 0.5
GROUPS = 20


def settings(folder: Path) -> Settings:
    return Settings(
        data_dir=folder,
        control_port=0,
        database_url=f"sqlite+aiosqlite:///{folder}/control.db",
        link_token=TOKEN,
        key_pepper=Secret("benchmark-pepper"),
        seal_key=Secret("benchmark-seal-key"),
        bootstrap_api_key=KEY,
    )


def simulated(number: int) -> SimulatedEncoder:
    able = Capabilities("cpu", 16, 64 << 30, (), (CodecProbe("libx264", True),), 10_000, 1e13, "build-1")
    name = f"enc_{number:03}"
    return SimulatedEncoder(
        EncoderInfo(EncoderId(name), NodeId(name), HostId(name), EncoderKind.SIMULATED, name, able)
    )


async def serve(folder: Path, encoders: int) -> None:
    """Until standard input ends."""
    async with serving(settings(folder), LIMITS) as served, bare(folder, served.services.store) as bare_port:
        fleet = [simulated(number) for number in range(encoders)]
        for one in fleet:
            served.services.fleet.arrived(one.info, one)

        async def beat(group: list[SimulatedEncoder], at_s: float) -> None:
            """By the clock, so that a busy loop makes a beat late but never the next one later."""
            while True:
                at_s += HEARTBEAT_S
                await asyncio.sleep(at_s - time.perf_counter())
                for one in group:
                    served.services.fleet.heard(one.encoder_id, one.reading())

        settle()
        begun = time.perf_counter()
        beating = [
            asyncio.create_task(beat(fleet[first::GROUPS], begun + first * HEARTBEAT_S / GROUPS))
            for first in range(GROUPS)
        ]
        print(json.dumps({"control": served.port, "bare": bare_port}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        for task in beating:
            task.cancel()


@contextlib.asynccontextmanager
async def bare(folder: Path, of_control: SqlStore) -> AsyncIterator[int]:
    """Its port. The least that could be called an init: read JSON, write a stream's rows, answer."""
    store = await SqlStore.open(f"sqlite+aiosqlite:///{folder}/bare.db", seal_key=Secret("benchmark-seal-key"))
    numbers = itertools.count()
    template: StreamRecord | None = None

    async def handle(request: web.Request) -> web.Response:
        nonlocal template
        orjson.loads(await request.read())
        if template is None:
            template = (await of_control.running_streams())[0]
        stream_id = StreamId(f"str_{next(numbers):026}")
        await store.put_stream(
            replace(template, stream_id=stream_id), Note(utc_now(), stream_id, "stream opened", "")
        )
        return web.Response(body=orjson.dumps({"stream_id": stream_id}), content_type="application/json")

    app = web.Application()
    app.router.add_post("/init", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()
    await store.close()


async def gateway(port: int) -> None:
    async def perform(order: Order) -> None:
        """Every order is carried out at once."""

    hello = GatewayHello(GatewayId("gw"), "1", "127.0.0.1", 1935, None, "http://127.0.0.1:8081")
    await WebSocketUplink(control_url=f"http://127.0.0.1:{port}", token=TOKEN).run(lambda: hello, perform)


async def ask(http: aiohttp.ClientSession, url: str, opened: list[str]) -> float:
    """Seconds until the whole answer was there; the stream's id goes to `opened`."""
    begun = time.perf_counter()
    async with http.post(url, json=BODY) as response:
        text = await response.read()
        assert response.status in (200, 201), text
    took = time.perf_counter() - begun
    opened.append(orjson.loads(text)["stream_id"])
    return took


async def end_all(http: aiohttp.ClientSession, base: str, opened: list[str]) -> None:
    """Ends what was opened, so that every round begins with the same fleet. Not measured."""
    while opened:
        async with http.delete(f"{base}/api/streams/{opened.pop()}") as response:
            assert response.ok, await response.text()


async def steadily(
    http: aiohttp.ClientSession, url: str, rate: float, seconds: float, opened: list[str]
) -> list[float]:
    begun, asked = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        asked.append(asyncio.create_task(ask(http, url, opened)))
    return await asyncio.gather(*asked)


async def flat_out(http: aiohttp.ClientSession, url: str, seconds: float, opened: list[str]) -> float:
    """Answers a second with AT_ONCE clients."""
    until, done = time.perf_counter() + seconds, 0

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await ask(http, url, opened)
            done += 1

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return done / (time.perf_counter() - begun)


async def measure(ports: dict[str, int], rate: float, seconds: float) -> dict[str, object]:
    base = f"http://127.0.0.1:{ports['control']}"
    init, opened = f"{base}/api/streams/init", list[str]()
    link = asyncio.create_task(gateway(ports["control"]))
    headers = {"Authorization": f"Bearer {KEY.reveal()}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        await until_ready(http, f"{base}/readyz")
        await steadily(http, init, rate, 1.0, opened)
        took = sorted(await steadily(http, init, rate, seconds, opened))
        ours, theirs = [], []
        bare_init = f"http://127.0.0.1:{ports['bare']}/init"
        await ask(http, bare_init, [])  # takes its rows from a stream that runs now
        for _ in range(ROUNDS):
            await end_all(http, base, opened)
            theirs.append(await flat_out(http, bare_init, 1.5, []))
            ours.append(await flat_out(http, init, 1.5, opened))
    link.cancel()
    return {
        "rate_per_s": rate,
        "inits": len(took),
        "p50_ms": round(took[len(took) // 2] * 1000, 2),
        "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 2),
        "max_ms": round(took[-1] * 1000, 2),
        "flat_out_per_s": round(statistics.median(ours), 1),
        "bare_per_s": round(statistics.median(theirs), 1),
        "ratio": round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 3),
        "cores": os.cpu_count(),
    }


async def until_ready(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            async with http.get(url) as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.05)


def run(work: Callable[[], Awaitable[object]]) -> object:
    async def main() -> object:
        return await work()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--encoders", type=int, default=100)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    configure_logs(level="error", fmt="pretty")
    if given.serve:
        run(lambda: serve(given.serve, given.encoders))
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.init", "--encoders", str(given.encoders), "--serve", folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            ports = json.loads(server.stdout.readline())
            found = run(lambda: measure(ports, given.rate, given.seconds))
            server.communicate("")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

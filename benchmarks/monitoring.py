"""What it costs to watch many hardware encoders: CPU and how late the event loop is, with 500 read each second.

    python -m benchmarks.monitoring [--devices 500] [--seconds 30] [--settle 40] [--in-memory]

One process watches, as control does, with the HELO driver over HTTP; another is the devices, which answer at once.
With `--in-memory` the devices are objects, so only the watching itself is left. The cost of the first rounds, in
which everything is read and each device's list of parameters is fetched, is printed apart. Lag means something only
where nothing else keeps the machine busy, so its load is printed beside it, and `busy`: how much the loop's own
thread worked between two looks at the clock 10 ms apart, which others cannot make longer. Printed as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final, cast

import structlog

from app.adapters.encoders.aja_helo import HeloDriver
from app.adapters.encoders.helo.descriptors import DescriptorCache
from app.adapters.encoders.simulated_device import SimulatedDevice
from app.assembly.process import new_loop
from app.domain.condition import Condition
from app.domain.device import DeviceEntry
from app.domain.encoder import EncoderKind
from app.domain.events import DeviceRead, Event
from app.domain.ids import EncoderId
from app.monitoring.device_watch import DeviceWatch
from app.ports.device import HardwareEncoder
from app.runtime.bus import Bus
from app.runtime.clock import utc_now
from app.simulators.helo.answers import compact, descriptor
from app.simulators.helo.parameters import catalogue

CPU_LIMIT: Final = 0.5
LAG_LIMIT_MS: Final = 50.0
LAG_EVERY_S: Final = 0.01

VALUES: Final = {
    "ReplicatorStreamState": "1", "ReplicatorRecordState": "1", "SystemState": "4", "FirmwareStatus": "2",
    "ReplicatorState": "3", "MediaManagerState": "3", "DetectInputFormat": "18", "VideoInSelect": "1",
    "Temperature": "44", "CurrentMediaMounted": "1", "CurrentMediaAvailable": "80", "MediaRecordReady": "1",
    "StreamingDuration": "00:00:00:00", "ProductID": "HELO", "CurrentlyRunningImageVersion": "4.3.0.8-12r",
}  # fmt: skip


class Device(asyncio.Protocol):
    """One connection to a device: pipelined requests are none of its business, nobody sends them."""

    def __init__(self, serial: str, descriptors: bytes) -> None:
        self._serial = serial
        self._descriptors = descriptors
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not call themselves asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        target = data.split(b" ", 2)[1]
        if target == b"/desc.json":
            self._answer(self._descriptors)
        elif b"action=connect" in target:
            self._answer(b'{"connectionid":"20"}')
        elif b"wait_for_config_events" in target:
            self._waiting = asyncio.get_running_loop().call_later(30.0, self._answer, b"[]")
        else:
            name = target.rpartition(b"eParamID_")[2].decode()
            value = self._serial if name == "FormattedSerialNumber" else VALUES.get(name, "")
            if not name.endswith("Alarm") and not value:
                value = "0"
            answer = {"paramid": "1", "name": f"eParamID_{name}", "value": value, "value_name": ""}
            self._answer(json.dumps(answer).encode())

    def _answer(self, body: bytes) -> None:
        assert self._transport is not None
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def be_devices(count: int) -> None:
    descriptors = compact([descriptor(one) for one in catalogue().values()]).encode()
    loop = asyncio.get_running_loop()
    ports = []
    for number in range(count):
        server = await loop.create_server(lambda n=number: Device(f"S{n}", descriptors), "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextlib.contextmanager
def devices(count: int) -> Iterator[list[int]]:
    command = [sys.executable, "-m", "benchmarks.monitoring", "--be-devices", "--devices", str(count)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield json.loads(child.stdout.readline())
    finally:
        child.stdin.close()
        child.wait()


def over_http(ports: list[int]) -> list[HardwareEncoder]:
    cache = DescriptorCache()
    return [
        HeloDriver(
            DeviceEntry(
                encoder_id=EncoderId(f"helo-{n}"),
                kind=EncoderKind.AJA_HELO,
                url=f"http://127.0.0.1:{port}",
                name=f"helo-{n}",
                added_at=utc_now(),
            ),
            cache=cache,
        )
        for n, port in enumerate(ports)
    ]


class Meter:
    """Between `begin` and `end`: readings, CPU of this process, and how late the loop is."""

    def __init__(self, bus: Bus[Event]) -> None:
        self._readings = 0
        self._faults: set[str] = set()
        self._lags_ms: list[float] = []
        self._busy_ms: list[float] = []
        bus.listen(self._hear)

    def _hear(self, event: Event) -> None:
        self._readings += isinstance(event, DeviceRead)
        if isinstance(event, Condition) and event.is_active:
            self._faults.add(event.name)

    def begin(self) -> None:
        self._readings, self._lags_ms, self._busy_ms = 0, [], []
        self._began, self._cpu_began = time.monotonic(), cpu_s()

    def end(self) -> dict[str, object]:
        took_s = time.monotonic() - self._began
        lags, busy = sorted(self._lags_ms), sorted(self._busy_ms)
        cpu = (cpu_s() - self._cpu_began) / took_s
        p99_ms = lags[int(0.99 * len(lags))]
        return {
            "readings_per_s": round(self._readings / took_s, 1),
            "cpu_cores": round(cpu, 3),
            "machine_load": round(os.getloadavg()[0], 1),
            "cpu_limit": "met" if cpu < CPU_LIMIT else "MISSED",
            "lag_p50_ms": round(lags[len(lags) // 2], 2),
            "lag_p99_ms": round(p99_ms, 2),
            "lag_max_ms": round(lags[-1], 2),
            "busy_p99_ms": round(busy[int(0.99 * len(busy))], 2),
            "lag_limit": "met" if p99_ms <= LAG_LIMIT_MS else "MISSED",
            "faults": sorted(self._faults),
        }

    async def measure_lag(self) -> None:
        while True:
            due, busy = time.monotonic() + LAG_EVERY_S, time.thread_time()
            await asyncio.sleep(LAG_EVERY_S)
            self._lags_ms.append(max(0.0, time.monotonic() - due) * 1000)
            self._busy_ms.append((time.thread_time() - busy) * 1000)


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def watch(drivers: list[HardwareEncoder], *, settle_s: float, seconds: float) -> dict[str, object]:
    bus: Bus[Event] = Bus(lambda error: sys.exit(repr(error)))
    meter = Meter(bus)
    watching = DeviceWatch(on_reading=lambda *_: None, bus=bus)
    for driver in drivers:
        watching.add(driver)
    tasks = [asyncio.create_task(watching.run()), asyncio.create_task(meter.measure_lag())]
    meter.begin()
    await asyncio.sleep(settle_s)
    found: dict[str, object] = {"devices": len(drivers), "first_rounds": meter.end()}
    meter.begin()
    await asyncio.sleep(seconds)
    found["steady"] = meter.end()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*(driver.close() for driver in drivers))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=re.split(r"\n\n", __doc__ or "")[0])
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--settle", type=float, default=40.0)
    parser.add_argument("--in-memory", action="store_true")
    parser.add_argument("--be-devices", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 65_536)), hard))
    with asyncio.Runner(loop_factory=new_loop) as runner:
        if given.be_devices:
            runner.run(be_devices(given.devices))
            return
        if given.in_memory:
            made: list[HardwareEncoder] = [SimulatedDevice(EncoderId(f"dev-{n}")) for n in range(given.devices)]
            print(json.dumps(runner.run(watch(made, settle_s=5.0, seconds=given.seconds)), indent=2))
            return
        with devices(given.devices) as ports:
            made = over_http(ports)
            print(json.dumps(runner.run(watch(made, settle_s=given.settle, seconds=given.seconds)), indent=2))


if __name__ == "__main__":
    main()

"""The cases: what load, for how long, and which figure comes of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.rtmp import load
from benchmarks.rtmp.load import Target, Worker
from benchmarks.rtmp.servers import Server

WARM_UP_S = 1.0
STREAMS = 200
"""As many channels as a gateway under test has open."""
PUBLISHERS = 4
"""At a time in the case of new publishers: with two a server waits for the load part of the time."""


def stream_name(number: int) -> str:
    """A name that is fit to be a stream key too."""
    return f"benchmark_stream_{number:03d}"


@dataclass(frozen=True)
class Result:
    """What one server did in one case. Figures that a case does not have are None."""

    cpu_s_per_gb: float | None = None
    gbit_per_s: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    publishes_per_s: float | None = None
    cpu_ms_per_publish: float | None = None
    memory_mb: float | None = None

    @property
    def cost(self) -> float | None:
        """The figure that is compared: less is better."""
        if self.cpu_s_per_gb is not None:
            return self.cpu_s_per_gb
        return self.cpu_ms_per_publish if self.cpu_ms_per_publish is not None else self.p99_ms


@dataclass(frozen=True)
class Case:
    """A load, named."""

    name: str
    text: str
    run: Callable[[Server, float, int | None], Result]


def _relay(
    publish: Callable[..., None], play: Callable[..., None], streams: int, players: int
) -> Callable[[Server, float, int | None], Result]:
    def run(server: Server, seconds: float, core: int | None) -> Result:
        names = tuple(stream_name(at) for at in range(streams))
        target = Target(server.port, server.app, names, play_app=server.play_app, players=players, core=core)
        publishers = Worker(publish, target)
        try:
            publishers.wait_ready()
            viewers = Worker(play, target)
            try:
                viewers.wait_ready()
                return _measure(server, publishers, viewers, seconds)
            finally:
                viewers.end()
        finally:
            publishers.end()

    return run


def _measure(server: Server, publishers: Worker, viewers: Worker, seconds: float) -> Result:
    viewers.go.set()
    publishers.go.set()
    time.sleep(WARM_UP_S)
    cpu, count, began = server.cpu_s(), viewers.count.value, time.monotonic()
    time.sleep(seconds)
    cpu, count = server.cpu_s() - cpu, viewers.count.value - count
    took = time.monotonic() - began
    memory = server.memory_bytes() / 1e6
    publishers.stop.set()
    viewers.stop.set()
    if not count:
        raise RuntimeError("nothing was relayed")
    return Result(cpu / (count / 1e9), count * 8 / took / 1e9, memory_mb=memory)


def _latency(server: Server, seconds: float, core: int | None) -> Result:
    names = tuple(stream_name(at) for at in range(20))
    target = Target(server.port, server.app, names, play_app=server.play_app, core=core)
    publishers, viewers = Worker(load.publish_live, target), None
    try:
        publishers.wait_ready()
        viewers = Worker(load.play_timing, target)
        viewers.wait_ready()
        measured = _measure(server, publishers, viewers, seconds)
        found = sorted(viewers.latencies.get())
    finally:
        publishers.end()
        if viewers is not None:
            viewers.end()
    p99 = found[int(len(found) * 0.99)]
    return Result(
        measured.cpu_s_per_gb, measured.gbit_per_s, statistics.median(found), p99, memory_mb=measured.memory_mb
    )


def _names_of(publisher: int) -> tuple[str, ...]:
    """Enough of them that a server has forgotten the last publisher of a name when it is used again."""
    return tuple(stream_name(at) for at in range(publisher, STREAMS, PUBLISHERS))


def _publishes(server: Server, seconds: float, core: int | None) -> Result:
    workers = [
        Worker(load.publish_and_leave, Target(server.port, server.app, _names_of(at), core=core))
        for at in range(PUBLISHERS)
    ]
    try:
        for worker in workers:
            worker.wait_ready()
        for worker in workers:
            worker.go.set()
        time.sleep(0.5)
        cpu, count = server.cpu_s(), sum(worker.count.value for worker in workers)
        time.sleep(seconds)
        cpu, count = server.cpu_s() - cpu, sum(worker.count.value for worker in workers) - count
    finally:
        for worker in workers:
            worker.end()
    return Result(publishes_per_s=count / seconds, cpu_ms_per_publish=cpu / count * 1000)


CASES = {
    case.name: case
    for case in (
        Case(
            "saturated",
            "4 publishers as fast as it goes, one player each",
            _relay(load.publish_saturated, load.play_counting, 4, 1),
        ),
        Case(
            "live",
            "100 publishers at 6 Mbit/s in real time, one player each",
            _relay(load.publish_live, load.play_timing, 100, 1),
        ),
        Case("fanout", "one publisher, 20 players", _relay(load.publish_saturated, load.play_counting, 1, 20)),
        Case("latency", "20 live streams: milliseconds from publisher to player", _latency),
        Case("publish", f"new publishers, one after the other on {PUBLISHERS} connections at a time", _publishes),
    )
}

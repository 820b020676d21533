"""How long the balancer takes to decide in a large fleet that reports all the time.

    python -m benchmarks.balancer [--encoders 1000 10000] [--decisions 2000] [--streams-per-encoder 2]

The real fleet, ledger and balancer, without network and store. Between two decisions as many encoders report as at
fifty decisions a second with a report each second; each report is another one. Measured is `place`: order, choice,
reasons, reservation, and what is kept to explain it; by the clock, and by the processor time of its thread, which
other processes on the machine do not lengthen. Then refusals are measured: of a stream that nobody has room for.
Last, some choices are compared with the plain ones that judge everyone. Printed as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import time
from collections import deque
from typing import cast

from app.adapters.encoders.simulated import SimulatedEncoder
from app.assembly.control import settle
from app.assembly.logs import configure_logs
from app.domain.encoder import Capabilities, CodecProbe, EncoderInfo, EncoderKind, EncoderReading
from app.domain.errors import NoCapacity
from app.domain.ids import EncoderId, HostId, NodeId, StreamId
from app.policy.heat import Heat, Sense
from app.policy.placement import Need
from app.policy.ranking import choose, rank
from app.ports.store import Store
from app.runtime import clock
from app.runtime.bus import Bus
from app.services.fleet import Fleet
from app.services.ledger import Ledger
from app.services.load_balancer import LoadBalancer

MAKES = ((8, 4e8), (16, 8e8), (32, 1.6e9), (64, 3.2e9))
SIZES = (1920 * 1080 * 30.0 * 1.9, 1280 * 720 * 30.0 * 1.6, 854 * 480 * 30.0)
DECISIONS_PER_S = 50
WATCH_EVERY = 10
"""Decisions between two looks of the watch at everybody."""
REFUSALS = 200
COMPARED = 20


def encoder(number: int) -> EncoderInfo:
    cores, capacity = MAKES[number % len(MAKES)]
    able = Capabilities(
        f"cpu-{cores}", cores, 64 << 30, (), (CodecProbe("libx264", True),), 10 * cores, capacity, "1"
    )
    name = f"enc_{number:05}"
    region = "eu" if number % 3 else "us"
    host = HostId(f"host_{number // 2:05}")
    return EncoderInfo(
        EncoderId(name), NodeId(name), host, EncoderKind.SIMULATED, name, able, region, f"rack_{number // 20}"
    )


class Clock:
    """Stands in for the module `time` where the product reads clocks: a fleet's second takes as long as it may."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s


class Scene:
    def __init__(self, encoders: int, dice: random.Random) -> None:
        self.dice = dice
        self.infos = [encoder(number) for number in range(encoders)]
        self.celsius = {info.encoder_id: dice.gauss(58.0, 8.0) for info in self.infos}
        self.ledger = Ledger()
        # The store is asked for operators' wishes only, and nobody has any.
        store = cast(Store, None)
        self.fleet = Fleet(driver_for=SimulatedEncoder, store=store, ledger=self.ledger, bus=Bus(_raise))
        self.fleet.heat_of = lambda encoder_id: Heat(self.celsius[encoder_id], 0.1, 25.0, sense=Sense.WELL)
        self.balancer = LoadBalancer(fleet=self.fleet, ledger=self.ledger)
        for info in self.infos:
            self.fleet.arrived(info)
            self.report(info)
        for member in self.fleet:
            member.arrived -= 3600.0
        self.fleet.tell_changes(clock.monotonic())

    def report(self, info: EncoderInfo) -> None:
        self.celsius[info.encoder_id] += self.dice.gauss(0.0, 0.2)
        reading = EncoderReading(self.dice.uniform(5.0, 90.0), self.dice.uniform(10.0, 60.0), 50.0)
        self.fleet.heard(info.encoder_id, reading)

    def need(self) -> Need:
        region = self.dice.choice((None, "eu", "us"))
        return Need(self.dice.choice(SIZES), "auto", region, shares_reserve=True)


CLOCK = Clock()


def _raise(error: BaseException) -> None:
    raise error


def figures(took: list[float]) -> dict[str, float]:
    took = sorted(took)
    return {
        "p50_ms": round(took[len(took) // 2] * 1000, 3),
        "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 3),
        "max_ms": round(took[-1] * 1000, 3),
    }


def measure(encoders: int, decisions: int, per_encoder: int) -> dict[str, object]:
    scene = Scene(encoders, random.Random(1))
    open_streams: deque[StreamId] = deque()
    for number in range(encoders * per_encoder):
        stream_id = StreamId(f"str_{number}")
        with contextlib.suppress(NoCapacity):
            scene.balancer.place(stream_id, scene.need())
            open_streams.append(stream_id)
    took, worked, reports, turn = list[float](), list[float](), list[float](), 0
    settle()
    looks = list[float]()
    for number in range(decisions):
        begun = time.perf_counter()
        due = max(1, encoders // DECISIONS_PER_S)
        for _ in range(due):
            scene.report(scene.infos[turn % encoders])
            turn += 1
        reports.append((time.perf_counter() - begun) / due)
        CLOCK.now_s += 1.0 / DECISIONS_PER_S
        if number % WATCH_EVERY == 0:
            begun = time.perf_counter()
            scene.fleet.tell_changes(clock.monotonic())
            looks.append(time.perf_counter() - begun)
        need, stream_id = scene.need(), StreamId(f"new_{number}")
        begun, busy = time.perf_counter(), time.thread_time()
        scene.balancer.place(stream_id, need)
        took.append(time.perf_counter() - begun)
        worked.append(time.thread_time() - busy)
        open_streams.append(stream_id)
        scene.balancer.release(open_streams.popleft())
    return {
        "encoders": encoders,
        "streams": len(open_streams),
        "decision": figures(took),
        "decision_cpu": figures(worked),
        "refusal": figures(refusals(scene)),
        "look": figures(looks),
        "report_us": round(1e6 * sum(reports) / len(reports), 1),
        "differ_from_plain": sum(differs(scene) for _ in range(COMPARED)),
    }


def differs(scene: Scene) -> bool:
    """Whether the choice is another one than judging everybody gives."""
    need = scene.need()
    decision, plain = scene.balancer.consider(need), choose(rank(scene.fleet.standings(), need))
    ids = tuple(None if info is None else info.encoder_id for info in (plain.primary, plain.backup))
    return ids != (decision.primary_id, decision.backup_id)


def refusals(scene: Scene) -> list[float]:
    took = []
    for number in range(REFUSALS):
        begun = time.perf_counter()
        with contextlib.suppress(NoCapacity):
            scene.balancer.place(StreamId(f"big_{number}"), Need(1e12, "auto"))
        took.append(time.perf_counter() - begun)
    return took


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoders", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--decisions", type=int, default=2_000)
    parser.add_argument("--streams-per-encoder", type=int, default=2)
    given = parser.parse_args()
    configure_logs(level="error", fmt="pretty")
    clock.time = CLOCK  # type: ignore[assignment] # all that the product asks of it
    found = [measure(count, given.decisions, given.streams_per_encoder) for count in given.encoders]
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    asyncio.run(main())

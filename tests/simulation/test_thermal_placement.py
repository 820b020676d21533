"""A fleet of unequal machines under one and the same arrivals: placed by expected warmth, and by load alone.

The machines follow a first-order heat model that the product knows nothing of: it sees the load, and whole degrees
with noise. Both fleets take every stream; what differs is where.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import pytest

from app.policy.placement import Need, Panic, Standing
from app.policy.ranking import Question, Seek, answer, rank
from app.policy.thermal import ThermalController
from app.policy.thermal_limits import HOT_C
from app.policy.thermal_words import Placed, Sample
from tests.unit.policy.fleets import standing

CAPACITY: Final = 300e6
NEED: Final = Need(CAPACITY / 10, "auto")
HOURS: Final = 2
STARTS_IN_S: Final = 5
"""From a promise to the first work."""
MACHINES: Final = (  # °C idle, °C from idle to full, time constant: the last ones stand at the top of the rack
    (30.0, 26.0, 60.0),
    (32.0, 28.0, 120.0),
    (34.0, 30.0, 180.0),
    (50.0, 48.0, 90.0),
    (51.0, 46.0, 240.0),
    (54.0, 46.0, 120.0),
)
Pick = Callable[[tuple["Machine", ...], float], "Machine | None"]


@dataclass
class Machine:
    name: str
    idle_c: float
    degrees: float
    constant_s: float
    celsius: float = 0.0
    hottest_c: float = 0.0
    streams: dict[int, int] = field(default_factory=dict)
    """Number of each, and the second in which its work begins."""
    controller: ThermalController = field(default_factory=ThermalController)

    def second(self, now: int, dice: random.Random) -> None:
        load = sum(now >= begins for begins in self.streams.values()) / 10
        self.celsius += (self.idle_c + self.degrees * load - self.celsius) / self.constant_s
        self.hottest_c = max(self.hottest_c, self.celsius)
        self.controller.feed(Sample(float(round(self.celsius + dice.gauss(0.0, 0.3))), load), float(now))

    def stands(self, now: float) -> Standing:
        waiting = sum(now < begins for begins in self.streams.values()) / 10
        verdict = self.controller.verdict(now, waiting_load=waiting)
        promised = NEED.pixels_per_s * len(self.streams)
        return standing(
            self.name,
            capacity=CAPACITY,
            reading=None,
            promised_pixels_per_s=promised,
            promised_streams=len(self.streams),
            heat=verdict.heat,
            allowance=verdict.allowance,
        )


def by_warmth(machines: tuple[Machine, ...], now: float) -> Machine | None:
    ranking = rank([machine.stands(now) for machine in machines], NEED)
    chosen = answer(Question(Seek.PRIMARY, NEED, Panic.REFUSE), ranking).primary
    return None if chosen is None else next(m for m in machines if m.name == chosen.encoder_id)


def by_load(machines: tuple[Machine, ...], now: float) -> Machine | None:
    return min(machines, key=lambda machine: (len(machine.streams), machine.name))


def _arrivals(dice: random.Random) -> list[tuple[int, int]]:
    """Second of arrival and duration: singles, and bursts such as a match that begins on many channels."""
    found = [(second, dice.randrange(600, 2_000)) for second in range(0, HOURS * 3600 - 600, 44)]
    for second in (1_800, 4_200):
        found += [(second, dice.randrange(600, 1_200))] * 8
    return sorted(found)


def _played(pick: Pick, seed: int) -> tuple[tuple[Machine, ...], int]:
    """The fleet afterwards, and how many streams nobody took."""
    arrivals, dice = _arrivals(random.Random(seed)), random.Random(seed)
    machines = tuple(Machine(f"e{n}", *figures, celsius=figures[0]) for n, figures in enumerate(MACHINES))
    ends: dict[int, list[tuple[Machine, int]]] = {}
    coming, refused = list(enumerate(arrivals))[::-1], 0
    for now in range(HOURS * 3600):
        for machine, number in ends.pop(now, ()):
            del machine.streams[number]
        for machine in machines:
            machine.second(now, dice)
        while coming and coming[-1][1][0] <= now:
            number, (_, lasts_s) = coming.pop()
            taker = pick(machines, float(now))
            if taker is None:
                refused += 1
                continue
            taker.streams[number] = now + STARTS_IN_S
            taker.controller.feed(Placed(), float(now))
            ends.setdefault(now + lasts_s, []).append((taker, number))
    return machines, refused


@pytest.mark.parametrize("seed", [1, 2])
def test_placed_by_warmth_no_machine_gets_hot_where_placed_by_load_some_do(seed: int) -> None:
    warm, refused = _played(by_warmth, seed)
    loaded, _ = _played(by_load, seed)
    assert refused == 0, "there was head-room for every stream"
    assert max(machine.hottest_c for machine in warm) < HOT_C
    assert max(machine.hottest_c for machine in loaded) > HOT_C

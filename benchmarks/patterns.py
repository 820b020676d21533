"""What error analysis costs: a hostile line against every signature, and one look at a bad day of a large fleet.

    python -m benchmarks.patterns [--lines 200] [--streams 2000]

Lines are a megabyte of what makes backtracking engines explode, and of what the packaged signatures look for. The
day is a region of encoders of which one rack after the other is lost, with all their streams. Printed as JSON, in
milliseconds of this thread, so that others on the machine count for nothing, with the greatest of each.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from app.domain.condition import Category, SubjectKind
from app.domain.severity import Severity
from app.monitoring.pattern_file import patterns_of
from app.monitoring.signatures import MAX_SIGNATURES, Signature, Signatures
from app.policy.facts import Fact, fact_of
from app.policy.fault_patterns import Diagnostician
from app.policy.incident_book import IncidentBook
from app.policy.incidents import group
from tests.support.alerts import T0
from tests.support.faults import trouble

LIMIT_MS: Final = 10.0
"""For one line and all signatures together."""
LINE_BYTES: Final = 1_000_000
PER_RACK: Final = 8
HOSTILE: Final = (r"^(a+)+$", r"^(a|aa)*c$", r"(x|y|a)*z{3}$", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(.*a){12}!$")


def _lines(count: int) -> Iterator[str]:
    chance = random.Random(7)
    seeds = ("a", "aaaaaaaaaaaaaaaaaaaaaaaa!", "exit code -", "no space left on devic", "\u00e4\u20ac\U0001f600")
    for _ in range(count):
        seed = chance.choice(seeds) * chance.randint(1, 50)
        yield (seed * (LINE_BYTES // len(seed) + 1))[:LINE_BYTES]


def _timed(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1_000.0


def _facts(streams: int) -> list[Fact]:
    encoders = max(PER_RACK, streams // 5)
    found: list[Fact] = []
    for number in range(encoders):
        rack = number // PER_RACK
        labels = {"encoder": f"e{number}", "host": f"h{number}", "rack": f"r{rack}", "region": "eu"}
        lost = trouble("encoder_offline", SubjectKind.ENCODER, f"e{number}", labels=labels)
        found.append(fact_of(lost, rack * 120.0))
    for number in range(streams):
        home = found[number % encoders]
        bare = trouble(
            "stream_unprotected",
            SubjectKind.STREAM,
            f"s{number}",
            severity=Severity.WARNING,
            category=Category.FAILOVER,
            labels={**dict(home.labels), "gateway": f"g{number % 4}"},
        )
        found.append(fact_of(bare, home.began + 1.0))
    return found


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"p50": round(ordered[len(ordered) // 2], 3), "max": round(ordered[-1], 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description="What error analysis costs.")
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--streams", type=int, default=2_000)
    given = parser.parse_args()
    file = patterns_of()
    room = MAX_SIGNATURES - len(file.signatures)
    own = [Signature(f"own_{number}", "worker", HOSTILE[number % len(HOSTILE)]) for number in range(room)]
    known = Signatures([*file.signatures, *own])
    lines = [_timed(lambda line=line: known.of("worker", line)) for line in _lines(given.lines)]
    facts = _facts(given.streams)
    encoders = sum(fact.subject.kind is SubjectKind.ENCODER for fact in facts)
    population = {("rack", f"r{number}"): PER_RACK for number in range(encoders)} | {("region", "eu"): encoders}
    people = Diagnostician(file.patterns)
    book = IncidentBook()
    looks: dict[str, list[float]] = {"patterns": [], "groups": [], "incidents": []}
    for second in range(5):
        groups = group(facts, population)
        looks["groups"].append(_timed(lambda: group(facts, population)))
        found = people.judge(facts, 1e6)
        looks["patterns"].append(_timed(lambda: people.judge(facts, 1e6)))
        tick = partial(book.tick, groups, found, 1e6 + second, T0)
        looks["incidents"].append(_timed(tick))
    print(
        json.dumps(
            {
                "line_ms": _spread(lines),
                "line_limit_ms": LIMIT_MS,
                "signatures": len(file.signatures) + len(own),
                "facts": len(facts),
                "incidents": len(book.open()),
                **{f"{name}_ms": _spread(values) for name, values in looks.items()},
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()

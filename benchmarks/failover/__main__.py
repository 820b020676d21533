"""Failovers of a 1080p30 stream with a 720p30 ladder, as its viewer and the product's own report see them.

    python -m benchmarks.failover [--count 3] [--grades cold,warm,hot,active-active]
        [--kinds kill,stall,planned,node] [--no-peer] [--json FILE]

Then the same viewer on nginx-rtmp, whose `exec_push ffmpeg` does the same work and is killed the same way. All
of it runs on this machine. Printed are median, 95th percentile and largest in milliseconds; nothing is judged.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.failover import ours, peer, source
from benchmarks.failover.figures import HEAD, Cell, table
from benchmarks.rtmp.servers import available

GRADES = ("cold", "warm", "hot", "active-active")
KINDS = ("kill", "stall", "planned", "node")
PEERS = {"nginx-rtmp, as shipped": None, "nginx-rtmp, respawn 100 ms": "100ms"}


def main() -> None:
    options = _options()
    chance = random.Random(options.seed)
    print(f"seed {options.seed}; {os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    cells: list[Cell] = []
    with tempfile.TemporaryDirectory() as folder:
        video = options.source or source.make(Path(folder) / "source.flv")
        for grade in options.grades.split(","):
            kinds = [kind for kind in options.kinds.split(",") if (grade, kind) != ("cold", "planned")]
            cells += ours.measure(grade, kinds, video=video, count=options.count, chance=chance)
            _tell(cells[-len(kinds) :])
        missing = None if options.peer else "not asked for"
        missing = missing or available("nginx")
        for name, respawn in PEERS.items() if missing is None else ():
            cells.append(peer.measure(name, respawn, video=video, count=options.count, chance=chance))
    if missing:
        print(f"no peer: {missing}")
    print(table([HEAD, *(cell.row() for cell in cells)]))
    if options.json:
        options.json.write_text(json.dumps([asdict(cell) for cell in cells], indent=2))


def _tell(cells: list[Cell]) -> None:
    cpu = cells[0].cpu
    standby = "none" if cpu["standby"] is None else f"{cpu['standby']:.1f} %"
    print(f"{cells[0].name}: active worker {cpu['active']:.1f} % of a core, standby {standby}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=3, help="failovers of each kind and grade")
    parser.add_argument("--grades", default=",".join(GRADES))
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--no-peer", dest="peer", action="store_false")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--source", type=Path, help="made by an earlier run")
    parser.add_argument("--json", type=Path, help="write every single figure there")
    return parser.parse_args()


if __name__ == "__main__":
    main()

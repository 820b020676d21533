"""``python -m benchmarks.rtmp``: the cases over the servers, round by round, as a table of medians.

Servers run on the first core, the load on the others, and rounds alternate between the servers, so
that noise of the machine meets all alike. Compare ratios within one run, not figures between runs.
``--server NAME --command "..."`` measures any other server; {port} in the command is replaced.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from dataclasses import asdict

from benchmarks.rtmp import servers
from benchmarks.rtmp.cases import CASES, Result

REFERENCE = "nginx"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rtmp", description=__doc__)
    parser.add_argument(
        "--server", action="append", help="nginx, nginx-64k, aiortmp, aiortmp-asyncio, gateway, pyrtmp or any"
    )
    parser.add_argument("--command", help="how to start the server that none of the known names means")
    parser.add_argument("--app", default="live", help="application name the load connects to")
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--seconds", type=float, default=5.0, help="measured time of each case")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("--require", type=float, help="fail when aiortmp costs more than this times nginx")
    return parser.parse_args()


def median(results: list[Result]) -> Result:
    """Each figure's median."""
    merged: dict[str, float | None] = {}
    for field in asdict(results[0]):
        values = [value for result in results if (value := asdict(result)[field]) is not None]
        merged[field] = statistics.median(values) if values else None
    return Result(**merged)


def cores() -> tuple[int | None, int | None]:
    """For the server and for the load; the same for none when there is but one."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else (None, None)


def measure(names: list[str], options: argparse.Namespace) -> dict[str, dict[str, Result]]:
    server_core, load_core = cores()
    known = ("nginx", "nginx-64k", "aiortmp", "aiortmp-asyncio", "gateway", "pyrtmp")
    table: dict[str, dict[str, Result]] = {}
    for case_name in options.case or CASES:
        found: dict[str, list[Result]] = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                command = None if name in known else options.command
                app = "live" if name in known else options.app
                with servers.start(name, core=server_core, command=command, app=app) as server:
                    found[name].append(CASES[case_name].run(server, options.seconds, load_core))
        table[case_name] = {name: median(results) for name, results in found.items()}
        show(case_name, table[case_name])
    return table


def show(case_name: str, results: dict[str, Result]) -> None:
    print(f"\n{case_name}: {CASES[case_name].text}")
    reference = results[REFERENCE].cost if REFERENCE in results else None
    for name, result in results.items():
        figures = [f"{key} {value:.3g}" for key, value in asdict(result).items() if value is not None]
        ratio = f"  = {result.cost / reference:.2f} x {REFERENCE}" if result.cost and reference else ""
        print(f"  {name:16} {', '.join(figures)}{ratio}", flush=True)


def main() -> int:
    options = arguments()
    names = options.server or ["nginx", "aiortmp", "gateway"]
    for name in list(names):
        missing = servers.available(name)
        if missing:
            print(f"left out {name}: {missing}")
            names.remove(name)
    table = measure(names, options)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(
                {case: {n: asdict(r) for n, r in rows.items()} for case, rows in table.items()}, file, indent=2
            )
    if options.require is None:
        return 0
    late = []
    for case_name, rows in table.items():
        ours, theirs = rows["aiortmp"].cost, rows[REFERENCE].cost
        if ours is not None and theirs is not None and ours > theirs * options.require:
            late.append(case_name)
    if late:
        print(f"\ncosts more than {options.require} x {REFERENCE}: {', '.join(late)}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())

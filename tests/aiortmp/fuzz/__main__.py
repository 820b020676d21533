"""Fuzz one parser: ``python -m tests.aiortmp.fuzz TARGET [libFuzzer options]``.

For long runs by hand, for instance ``-max_total_time=3600``. New inputs go to a folder given as an
argument; findings that were repaired belong in ``seeds/TARGET/``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["aiortmp"]):
    from tests.aiortmp.fuzz.targets import TARGETS, check

SEEDS = Path(__file__).parent / "seeds"


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"which of {', '.join(TARGETS)}?")
    name = sys.argv.pop(1)
    seeds = SEEDS / name
    atheris.Setup([*sys.argv, *([str(seeds)] if seeds.is_dir() else [])], lambda data: check(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()

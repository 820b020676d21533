"""Each parser under fuzzing for FUZZ_SECONDS (20), and every old finding again."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.aiortmp.fuzz.targets import TARGETS, check

SEEDS = Path(__file__).parent / "seeds"
SECONDS = int(os.environ.get("FUZZ_SECONDS", "20"))


@pytest.mark.parametrize("seed", sorted(SEEDS.glob("*/*")), ids=lambda seed: f"{seed.parent.name}-{seed.name}")
def test_seeds_do_no_harm(seed: Path) -> None:
    check(seed.parent.name, seed.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_every_parser_has_seeds(name: str) -> None:
    assert any((SEEDS / name).iterdir())


@pytest.mark.fuzz
@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("name", TARGETS)
def test_in_21_no_input_raises_anything_but_a_protocol_error(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        if os.environ.get("CI"):
            pytest.fail("not installed: atheris")
        pytest.skip("not installed: atheris")
    # The first folder takes new inputs, so that the seeds in the repository stay as they are.
    command = [sys.executable, "-m", "tests.aiortmp.fuzz", name, str(tmp_path), f"-max_total_time={SECONDS}"]
    command += ["-max_len=8192", f"-artifact_prefix={tmp_path}/found-", "-verbosity=0", "-print_final_stats=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]

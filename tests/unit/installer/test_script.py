"""`encoder_manager_setup` on machines that lack things: only chosen programs are on its PATH."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "encoder_manager_setup"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs: what a minimal system has, and no Python."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("dirname", "cat", "sh"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    return programs


def add(machine: Path, name: str, script: str) -> None:
    (machine / name).write_text(f"#!/bin/sh\n{script}\n")
    (machine / name).chmod(0o755)


def run(machine: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(SCRIPT), *words], env={"PATH": str(machine)}, capture_output=True, text=True, check=False
    )


def test_help_needs_nothing(machine: Path) -> None:
    result = run(machine, "--help")
    assert result.returncode == 0
    assert "--dry-run" in result.stdout


def test_who_is_not_root_is_told_the_one_line_to_run(machine: Path) -> None:
    add(machine, "apt-get", "exit 99")
    add(machine, "id", "echo 1000")
    result = run(machine)
    assert result.returncode == 69
    assert "sudo apt-get install -y python3 python3-venv" in result.stderr


def test_a_system_without_apt_is_told_what_is_missing(machine: Path) -> None:
    result = run(machine)
    assert result.returncode == 69
    assert "Python 3.11" in result.stderr


def test_a_dry_run_on_a_bare_machine_installs_nothing(machine: Path) -> None:
    add(machine, "apt-get", "exit 99")
    result = run(machine, "--dry-run")
    assert result.returncode == 0
    assert "would run: apt-get install" in result.stdout


def test_root_gets_python_installed_and_goes_on_with_it(machine: Path) -> None:
    add(machine, "new-python", 'echo "handed over: $*"')
    add(machine, "id", "echo 0")
    add(machine, "apt-get", f'[ "$1" = update ] || /bin/cp {machine}/new-python {machine}/python3')
    result = run(machine, "--run")
    assert result.returncode == 0, result.stderr
    assert "handed over: -m installer --run" in result.stdout


def test_a_python_that_is_too_old_is_not_taken(machine: Path) -> None:
    add(machine, "python3", "exit 1")
    add(machine, "python3.12", 'echo "handed over: $*"')
    result = run(machine, "--dry-run")
    assert "handed over: -m installer --dry-run" in result.stdout


def test_answers_are_looked_for_where_the_command_was_given(tmp_path: Path) -> None:
    command = [str(SCRIPT), "--dry-run", "--config", "answers.yml"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"would read {tmp_path}/answers.yml" in result.stdout


def test_purging_without_uninstalling_is_refused_instead_of_installing() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "installer", "--purge"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "--uninstall" in result.stderr


def test_ctrl_c_ends_it_in_words() -> None:
    interrupted = """
import runpy, sys
from installer.environment import Environment

def stop(self):
    raise KeyboardInterrupt

Environment.missing = stop
sys.argv = ["installer", "--dry-run"]
runpy.run_module("installer", run_name="__main__")
"""
    result = subprocess.run(
        [sys.executable, "-c", interrupted], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 130
    assert result.stderr.strip() == "stopped; run it again to go on"

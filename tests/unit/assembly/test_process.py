"""The frame around every process: exit codes, and what is said when it ends badly. In processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FRAME = """
import asyncio, os, signal, sys
from app.assembly.process import run_process
from app.assembly.settings import Role, Settings
from app.domain.errors import InvalidSettings, Unavailable

async def work(settings):
{body}

sys.exit(run_process(Role.GATEWAY, work, Settings(log_format="json")))
"""


def command(body: str) -> list[str]:
    return [sys.executable, "-c", FRAME.format(body=textwrap.indent(body, "    "))]


def run(body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(body), input="", capture_output=True, text=True, timeout=60, cwd=ROOT, check=False
    )


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ("pass", 0, ""),
        ("raise InvalidSettings('bad url', hint='mend it')", 78, "bad url"),
        ("raise ValueError('cannot open rtmp://h/live/abcdefghijklmnop')", 1, "ValueError"),
    ],
)
def test_the_exit_code_tells_how_it_ended(body: str, code: int, says: str) -> None:
    result = run(body)
    assert result.returncode == code, result.stderr
    assert says in result.stderr
    assert "abcdefghijklmnop" not in result.stderr


@pytest.mark.parametrize("error", ["Unavailable('port 1935 is in use')", "OSError(98, 'port 1935 is in use')"])
def test_what_the_machine_refuses_is_told_in_one_line(error: str) -> None:
    result = run(f"raise {error}")
    assert result.returncode == 1
    assert "port 1935 is in use" in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


WAITS_TO_BE_TOLD = """
told = asyncio.Event()
asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
print("ready", flush=True)
await told.wait()
print("ended in order")
"""


def test_a_child_whose_parent_is_gone_is_told_to_end() -> None:
    environ = os.environ | {"ENCMAN_LIFELINE": "1"}
    with subprocess.Popen(
        command(WAITS_TO_BE_TOLD),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environ,
    ) as child:
        assert child.stdin
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        child.stdin.close()
        assert child.wait(timeout=30) == 0
        assert child.stdout.read() == "ended in order\n"


def test_a_process_of_its_own_does_not_look_at_its_standard_input() -> None:
    assert "still here" in run("await asyncio.sleep(0)\nprint('still here')").stdout


@pytest.mark.parametrize("part", ["control", "gateway", "encoder"])
def test_a_part_without_its_secrets_does_not_start(part: str, tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ENCMAN_")}
    result = subprocess.run(
        [sys.executable, "-m", "app", part],
        env=environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 78
    assert "link_token is missing" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_data_directory_may_be_named_before_the_command_or_after_it(tmp_path: Path) -> None:
    for words in (["--data", str(tmp_path / "a"), "secrets"], ["secrets", "--data", str(tmp_path / "b")]):
        command = [sys.executable, "-m", "app", *words]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    assert {path.parent.name for path in tmp_path.glob("*/secrets.env")} == {"a", "b"}

"""`encoder-manager simulate helo` as a process: says where it listens, ends on signals and with its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from app.__main__ import app
from app.assembly.process import LIFELINE


@contextmanager
def simulate(*options: str, **environ: str) -> Iterator[tuple[subprocess.Popen[bytes], list[dict[str, str]]]]:
    command = [sys.executable, "-m", "app", "simulate", "helo", "--json", *options]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environ},
        process_group=0,
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline() or b'{"simulators": []}')["simulators"]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def fetch(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.loads(response.read())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_units_run_until_a_signal_ends_them_in_order(number: signal.Signals) -> None:
    with simulate("--count", "2", "--scenario", "medium free_percent=9") as (process, units):
        assert len({unit["url"] for unit in units}) == 2
        serials = set()
        for unit in units:
            ask = unit["url"] + "/config?action=get&paramid=eParamID_"
            assert fetch(ask + "CurrentMediaAvailable")["value"] == "9"
            serials.add(fetch(ask + "FormattedSerialNumber")["value"])
            assert fetch(unit["control_url"] + "/_simulator/state")["stream_state"] == 1
        assert len(serials) == 2
        process.send_signal(number)
        assert process.wait(timeout=20) == 0


def test_a_unit_ends_with_the_parent_that_asked_for_it() -> None:
    with simulate(**{LIFELINE: "1"}) as (process, units):
        assert len(units) == 1
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=20) == 0
        process.stdin = None


def test_a_password_from_the_environment_is_asked_for() -> None:
    with simulate(ENCMAN_SIMULATOR_PASSWORD="open-sesame") as (_, units):
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            fetch(units[0]["url"] + "/clock")
        refused.value.close()


@pytest.mark.parametrize("wrong", [("--scenario", "nothing"), ("--size", "wide"), ("--size", "641x360")])
def test_what_makes_no_sense_is_refused_with_words(wrong: tuple[str, str]) -> None:
    result = CliRunner().invoke(app, ["simulate", "helo", *wrong])
    assert result.exit_code not in (0, None)
    assert "rror" in result.output

"""Devices on the command line, against a real HTTP server that plays control."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from app.__main__ import app
from tests.unit.cli.test_client import Control, control

__all__ = ["control"]


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_a_device_is_entered_by_its_kind_and_address(control: type[Control]) -> None:
    control.answers["POST /api/encoders"] = (201, {"encoder_id": "helo-10.1.2.3"})
    said = run("encoders", "add", "helo", "http://10.1.2.3", "--rack", "r1")
    assert (said.exit_code, said.stdout) == (0, "helo-10.1.2.3 is in the fleet\n")


def test_why_a_device_was_not_entered_is_said(control: type[Control], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCMAN_DEVICE_PASSWORD", "CANARY")
    problem = {"detail": "the device at http://10.1.2.3 wants another password", "hint": "Check the password."}
    control.answers["POST /api/encoders"] = (502, problem)
    said = run("encoders", "add", "helo", "http://10.1.2.3")
    assert said.exit_code == 1
    assert "wants another password" in said.stderr
    assert "Check the password." in said.stderr
    assert "CANARY" not in said.output


def test_a_device_is_removed(control: type[Control]) -> None:
    control.answers["DELETE /api/encoders/helo-a"] = (200, {"encoder_id": "helo-a", "removed": True})
    said = run("encoders", "remove", "helo-a")
    assert (said.exit_code, said.stdout) == (0, "helo-a is out of the fleet\n")

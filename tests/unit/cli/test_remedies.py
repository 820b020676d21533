"""Remedies on the command line, against a real HTTP server that plays control."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner, Result

from app.__main__ import app
from tests.unit.cli.test_client import Control, control

__all__ = ["control"]

PATH = "/api/monitoring/remediation"


def a_run(**more: Any) -> dict[str, Any]:
    return {
        "run_id": "rem_1",
        "began_at": "2026-11-20T12:00:02+00:00",
        "encoder_id": "helo-1",
        "remedy": "reboot",
        "cause": "device_unwell",
        "command": "restart the device",
        "phase": "sent",
        "outcome": None,
        "result": None,
        "effect": None,
        **more,
    }


def standing(**more: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"breakers": [], "hands_off": [], "media": [], "runs": [], "catalogue": []}
    return {"automation": "on", "held": None, **nothing, **more}


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_the_list_says_what_is_open_what_is_held_and_how_tries_ended(control: type[Control]) -> None:
    breaker = {"encoder_id": "helo-2", "reason": "3 tries in a row did not help"}
    told = standing(held="5 of 9 devices look bad", breakers=[breaker], runs=[a_run(), a_run(outcome="kept")])
    control.answers[f"GET {PATH}?limit=20"] = (200, told)
    said = run("remedies", "list").stdout.splitlines()
    assert said[0] == "automation: on, held: 5 of 9 devices look bad"
    assert said[1] == "breaker of helo-2 is open: 3 tries in a row did not help"
    assert "sent" in said[3]
    assert "kept" in said[4]


def test_before_anything_was_tried_the_list_says_so(control: type[Control]) -> None:
    control.answers[f"GET {PATH}?limit=20"] = (200, standing())
    assert run("remedies", "list").stdout.splitlines()[-1] == "nothing was tried"


def test_a_remedy_is_asked_for_as_it_was_said(control: type[Control]) -> None:
    control.answers[f"POST {PATH}/helo-1"] = (202, a_run())
    assert run("remedies", "run", "helo-1", "reboot", "--dry-run").stdout == "rem_1: begun (restart the device)\n"


def test_a_breaker_is_cleared(control: type[Control]) -> None:
    control.answers[f"DELETE {PATH}/helo-1/breaker"] = (200, {"encoder_id": "helo-1"})
    assert run("remedies", "clear", "helo-1").stdout == "helo-1 may be mended again\n"

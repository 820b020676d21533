"""Incidents on the command line, against a real HTTP server that plays control."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from app.__main__ import app
from tests.unit.cli.test_client import Control, control

__all__ = ["control"]

PATH = "/api/monitoring/incidents"
INCIDENT: dict[str, Any] = {
    "incident_id": "inc_0123456789ab",
    "active": True,
    "severity": "critical",
    "title": "Several encoders of one rack are gone at once.",
    "cause": {"label": "rack", "value": "r7", "topic": ""},
    "children": 40,
    "remedy": None,
    "started_at": "2026-11-20T12:00:02+00:00",
    "ended_at": None,
}
WHOLE: dict[str, Any] = {
    "incident": INCIDENT,
    "reasons": ["all 48 conditions share rack r7, and nothing narrower"],
    "diagnoses": [
        {"pattern_id": "rack_lost", "at": "rack:r7", "cause": "Power.", "impact": "Streams move.", "remedy": None}
    ],
    "signs": [
        {
            "subject": {"kind": "encoder", "id": "e1"},
            "conditions": ["encoder_offline"],
            "severity": "critical",
            "active": True,
        }
    ],
    "children": [],
}


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_what_lasts_is_listed_by_its_cause(control: Control) -> None:
    control.answers[f"GET {PATH}?active=true"] = 200, {"incidents": [INCIDENT]}
    result = run("incidents", "list")
    assert result.exit_code == 0
    assert "rack r7" in result.output
    assert "inc_0123456789ab" in result.output


def test_the_list_is_json_when_asked_for(control: Control) -> None:
    control.answers[f"GET {PATH}"] = 200, {"incidents": []}
    result = run("incidents", "list", "--all", "--json")
    assert json.loads(result.output) == {"incidents": []}


def test_one_is_shown_with_its_reasons_and_what_is_to_be_done(control: Control) -> None:
    control.answers[f"GET {PATH}/inc_0123456789ab"] = 200, WHOLE
    result = run("incidents", "show", "inc_0123456789ab")
    assert result.exit_code == 0
    assert "because all 48 conditions share rack r7" in result.output
    assert "a person has to look" in result.output
    assert "encoder e1" in result.output

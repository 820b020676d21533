"""Certificates on the command line, against a real HTTP server that plays control."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from app.__main__ import app
from tests.unit.cli.test_client import Control, control

__all__ = ["control"]

LIST = "GET /api/monitoring/certificates"
RENEW = "POST /api/monitoring/certificates/own/renew"
RELOAD = "POST /api/monitoring/certificates/reload"


def served(**more: Any) -> dict[str, Any]:
    return {
        "name": "https",
        "address": "127.0.0.1:8443",
        "issuer": "R11",
        "not_after": "2027-02-20T12:00:00+00:00",
        "trusted": True,
        "message": "complete and trusted",
        "error": None,
        **more,
    }


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["certificates", *words])


def test_what_is_served_is_a_table_with_what_is_wrong(control: type[Control]) -> None:
    dark = served(name="rtmps-a", issuer=None, not_after=None, trusted=None, message=None, error="it is dark")
    answer = {"certificates": [served(), dark], "own": {"renewal": {"due": "2027-01-21", "last_error": None}}}
    control.answers[LIST] = (200, answer)
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "ADDRESS", "ISSUER", "NOT_AFTER", "TRUSTED", "MESSAGE"]
    assert lines[1].endswith("complete and trusted")
    assert lines[2].endswith("it is dark")
    assert lines[4].split() == ["due", "2027-01-21"]
    assert json.loads(run("list", "--json").stdout) == answer


def test_renewing_is_ordered_and_a_refusal_is_told(control: type[Control]) -> None:
    control.answers[RENEW] = (202, {"name": "own"})
    assert "begins" in run("renew").stdout
    control.answers[RENEW] = (429, {"detail": "no renewal now: 4 orders within 7 days", "hint": None})
    refused = run("renew")
    assert refused.exit_code == 1
    assert "4 orders within 7 days" in refused.stderr


def test_a_deploy_hook_learns_whether_the_new_certificate_is_used(control: type[Control]) -> None:
    control.answers[RELOAD] = (200, {"changed": True})
    assert "new certificate is served" in run("reload").stdout
    control.answers[RELOAD] = (409, {"detail": "the new certificate is refused: it is incomplete", "hint": None})
    refused = run("reload")
    assert refused.exit_code == 1
    assert "incomplete" in refused.stderr


def test_a_fingerprint_may_be_pasted_as_browsers_show_it(control: type[Control]) -> None:
    control.answers["POST /api/monitoring/certificates/device-helo/accept"] = (200, {"name": "device-helo"})
    said = run("accept", "device-helo", ":".join(["AB"] * 32))
    assert "from now on" in said.stdout
    assert control.seen[-1][3] == {"fingerprint": "ab" * 32}

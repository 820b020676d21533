"""`encoder-manager doctor`: asks one question after the other and says what to do about each that fails."""

from __future__ import annotations

import socket
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import typer

from app.cli.client import Access, call
from app.cli.output import Json, show_json


@dataclass(frozen=True, slots=True)
class Finding:
    """`advice` is None where all is well."""

    question: str
    answer: str
    advice: str | None = None


def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Check, from here, what a stream needs: control, key, gateway, encoders. Exit code 1 if anything is wrong."""
    findings = examine(context.obj)
    if as_json:
        show_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            typer.echo(f"{'ok  ' if finding.advice is None else 'BAD '} {finding.question}: {finding.answer}")
            if finding.advice:
                typer.echo(f"      {finding.advice}")
    if any(finding.advice for finding in findings):
        raise typer.Exit(1)


def examine(access: Access) -> list[Finding]:
    """Stops at the first failed question the later ones hang on."""
    question = "control reachable"
    try:
        parts = urlsplit(access.base)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return [Finding(question, f"{access.base} is no address", "name it as --url http://HOST:PORT")]
    reached = _reach(question, parts.hostname or "", port, "start it with `encoder-manager up`")
    if reached.advice:
        return [reached]
    fleet = call(access, "GET", "/api/encoders/system/status")
    accepted = Finding("API key accepted", "yes")
    return [reached, accepted, _gateways(fleet), _encoders(call(access, "GET", "/api/encoders"))]


def _encoders(answer: dict[str, Any]) -> Finding:
    online = [entry["encoder_id"] for entry in answer["encoders"] if entry.get("state") == "online"]
    question = "encoders online"
    if not online:
        return Finding(question, "none", "run `encoder-manager encoder` on a machine of the fleet")
    if len(online) == 1:
        return Finding(question, online[0], "with one encoder no stream has a backup: run a second one")
    return Finding(question, ", ".join(online))


def _gateways(fleet: dict[str, Any]) -> Finding:
    connected = fleet["gateways_connected"]
    advice = "run `encoder-manager gateway`; its link token must be control's" if not connected else None
    return Finding("gateways connected", str(connected), advice)


def _reach(question: str, host: str, port: int, advice: str) -> Finding:
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        return Finding(question, f"{host}:{port}: {error.strerror or error}", advice)
    return Finding(question, f"{host}:{port}")

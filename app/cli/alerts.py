"""`encoder-manager alerts ...`: what is wrong, who cares for it, what is kept quiet, whether people hear."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from app.cli.client import EXIT_FAILED, call, fail
from app.cli.output import Json, show_json, show_table
from app.cli.streams import quoted

app = typer.Typer(help="See, acknowledge and silence alerts; test who is told.", no_args_is_help=True)
COLUMNS = ("fingerprint", "severity", "since", "about", "summary", "note")
PATH = "/api/monitoring/alerts"
TEST_S = 120.0
"""Every channel has its own time-out."""


@app.command("list")
def list_alerts(
    context: typer.Context,
    severity: Annotated[str | None, typer.Option(help="info, warning or critical.")] = None,
    history: Annotated[bool, typer.Option("--history", help="What was, too, newest first.")] = False,
    as_json: Json = False,
) -> None:
    """What is wrong now."""
    if history:
        answer = call(context.obj, "GET", f"{PATH}/history")
        answer["alerts"] = [one for one in answer["alerts"] if severity in (None, one["severity"])]
    else:
        query = f"?{urlencode({'severity': severity})}" if severity else ""
        answer = call(context.obj, "GET", PATH + query)
    if as_json:
        show_json(answer)
    else:
        show_table([_row(alert) for alert in answer["alerts"]], COLUMNS, empty="no alerts")


@app.command()
def ack(
    context: typer.Context,
    fingerprint: Annotated[str, typer.Argument(help="As `alerts list` shows it.")],
    as_json: Json = False,
) -> None:
    """You take care of it: it is not told again while it lasts."""
    answer = call(context.obj, "POST", f"{PATH}/{quoted(fingerprint)}/acknowledge")
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"{answer['name']} of {answer['subject']['id']} acknowledged")


@app.command()
def silence(
    context: typer.Context,
    matchers: Annotated[
        list[str], typer.Argument(help="LABEL=PATTERN or LABEL!=PATTERN, all of which must fit; * is any text.")
    ],
    comment: Annotated[str, typer.Option(help="Why.")],
    hours: Annotated[float, typer.Option(min=0.01, max=17_520, help="For so long from now.")] = 2.0,
    window: Annotated[
        str | None,
        typer.Option(help="Only in this time of day: HH:MM-HH:MM@ZONE, such as 02:00-04:00@Europe/Berlin."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Keep alerts from people for a time. They are shown all the same."""
    body: dict[str, Any] = {
        "matchers": [_matcher(text) for text in matchers],
        "comment": comment,
        "ends_at": (datetime.now(UTC) + timedelta(hours=hours)).isoformat(),
        "window": None if window is None else _window(window),
    }
    answer = call(context.obj, "POST", f"{PATH}/silences", body)
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"{answer['silence_id']} until {answer['ends_at']}")


@app.command()
def silences(context: typer.Context, as_json: Json = False) -> None:
    """Silences and maintenance windows."""
    answer = call(context.obj, "GET", f"{PATH}/silences")
    if as_json:
        show_json(answer)
    else:
        rows = [{**one, "what": [_shown(matcher) for matcher in one["matchers"]]} for one in answer["silences"]]
        show_table(rows, ("silence_id", "what", "starts_at", "ends_at", "comment"), empty="no silences")


@app.command()
def unsilence(
    context: typer.Context, silence_id: Annotated[str, typer.Argument(help="sil_...")], as_json: Json = False
) -> None:
    """End a silence."""
    answer = call(context.obj, "DELETE", f"{PATH}/silences/{quoted(silence_id)}")
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"{silence_id} dropped")


@app.command("test")
def try_channels(context: typer.Context, as_json: Json = False) -> None:
    """Send a test through each channel; exit code 1 if one failed."""
    answer = call(context.obj, "POST", f"{PATH}/test", timeout_s=TEST_S)
    if as_json:
        show_json(answer)
    else:
        rows = [{"channel": one["name"], "result": one["fault"] or "sent"} for one in answer["channels"]]
        show_table(rows, ("channel", "result"), empty="no channel is set up: docs/alerting.md says how")
    if any(one["fault"] for one in answer["channels"]):
        raise typer.Exit(EXIT_FAILED)


def _row(alert: dict[str, Any]) -> dict[str, Any]:
    notes = {
        "over": not alert["active"],
        "silenced": alert["silenced_by"],
        "acknowledged": alert["acknowledged_by"],
        "flapping": alert["flapping"],
        "follows from another": alert["cause_fingerprint"],
    }
    return {
        **alert,
        "since": str(alert["started_at"])[:19].replace("T", " "),
        "about": f"{alert['subject']['kind']} {alert['subject']['id']}",
        "note": [name for name, is_so in notes.items() if is_so] or None,
    }


def _matcher(text: str) -> dict[str, Any]:
    label, is_given, pattern = text.partition("=")
    if not is_given or not label.strip("!"):
        fail(f"{text}: a matcher is LABEL=PATTERN or LABEL!=PATTERN", hint="severity=warning, subject=enc_*")
    return {"label": label.removesuffix("!"), "pattern": pattern, "negated": label.endswith("!")}


def _window(text: str) -> dict[str, Any]:
    times, _, zone = text.partition("@")
    starts, _, ends = times.partition("-")
    return {"starts": starts, "ends": ends, "zone": zone or "UTC"}


def _shown(matcher: dict[str, Any]) -> str:
    return f"{matcher['label']}{'!=' if matcher['negated'] else '='}{matcher['pattern']}"

"""`encoder-manager incidents ...`: the one cause behind many alerts, and what follows from it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli.client import call
from app.cli.output import Json, show_json, show_table
from app.cli.streams import quoted

app = typer.Typer(help="See what lies behind alerts.", no_args_is_help=True)
PATH = "/api/monitoring/incidents"
COLUMNS = ("incident_id", "severity", "since", "cause", "title", "children", "remedy", "over")
PARTS = ("role", "about", "severity", "conditions", "active")


@app.command("list")
def list_incidents(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    as_json: Json = False,
) -> None:
    """What lies behind what is wrong now."""
    answer = call(context.obj, "GET", PATH if everything else f"{PATH}?active=true")
    if as_json:
        show_json(answer)
    else:
        show_table([_row(one) for one in answer["incidents"]], COLUMNS, empty="no incidents")


@app.command()
def show(
    context: typer.Context,
    incident_id: Annotated[str, typer.Argument(help="inc_...")],
    as_json: Json = False,
) -> None:
    """One incident: why this is its cause, what it could be, and all that follows from it."""
    answer = call(context.obj, "GET", f"{PATH}/{quoted(incident_id)}")
    if as_json:
        show_json(answer)
        return
    one = answer["incident"]
    typer.echo(f"{one['incident_id']}  {one['severity']}  {_cause(one)}: {one['title']}")
    for reason in answer["reasons"]:
        typer.echo(f"  because {reason}")
    for found in answer["diagnoses"]:
        typer.echo(f"  {found['pattern_id']} at {found['at']}: {found['cause']} {found['impact']}")
        typer.echo(f"    to be done: {found['remedy'] or 'a person has to look'}")
    rows = [_part("sign", part) for part in answer["signs"]] + [
        _part("follows", part) for part in answer["children"]
    ]
    show_table(rows, PARTS, empty="nothing that you may see")


def _row(one: dict[str, Any]) -> dict[str, Any]:
    return {
        **one,
        "since": str(one["started_at"])[:19].replace("T", " "),
        "cause": _cause(one),
        "over": None if one["active"] else str(one["ended_at"])[:19].replace("T", " "),
    }


def _cause(one: dict[str, Any]) -> str:
    topic = f" ({one['cause']['topic']})" if one["cause"]["topic"] else ""
    return f"{one['cause']['label']} {one['cause']['value']}{topic}"


def _part(role: str, part: dict[str, Any]) -> dict[str, Any]:
    return {**part, "role": role, "about": f"{part['subject']['kind']} {part['subject']['id']}"}

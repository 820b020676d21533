"""`encoder-manager remedies ...`: what was tried to mend devices, trying something, clearing breakers."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli.client import call
from app.cli.output import Json, show_json, show_table
from app.cli.streams import quoted

app = typer.Typer(help="See how devices are mended, try a remedy, clear breakers.", no_args_is_help=True)
PATH = "/api/monitoring/remediation"
TRY_S = 30.0
"""The device is asked anew before anything is tried."""


@app.command("list")
def list_remedies(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Tries, newest first.")] = 20,
    catalogue: Annotated[bool, typer.Option("--catalogue", help="What can be tried, instead.")] = False,
    as_json: Json = False,
) -> None:
    """What was tried, and which breakers are open."""
    answer = call(context.obj, "GET", f"{PATH}?limit={limit}")
    if as_json:
        show_json(answer)
        return
    if catalogue:
        show_table(answer["catalogue"], ("remedy", "what", "disruptive", "needs_rest", "undo", "cures"), empty="")
        return
    typer.echo(f"automation: {answer['automation']}" + (f", held: {answer['held']}" if answer["held"] else ""))
    for breaker in answer["breakers"]:
        typer.echo(f"breaker of {breaker['encoder_id']} is open: {breaker['reason']}")
    for one in answer["hands_off"]:
        typer.echo(f"{one['encoder_id']} was changed by hand and is left alone until {one['until']}")
    for one in answer["media"]:
        typer.echo(f"media of {one['encoder_id']}, {one['slot']}: {one['advice']}")
    columns = ("began_at", "encoder_id", "remedy", "cause", "outcome", "result", "effect")
    show_table([_row(run) for run in answer["runs"]], columns, empty="nothing was tried")


@app.command()
def run(
    context: typer.Context,
    encoder_id: Annotated[str, typer.Argument(help="A device of the fleet.")],
    remedy: Annotated[str, typer.Argument(help="As `remedies list --catalogue` shows it.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say only whether it would be tried.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Though a live stream or a budget forbids it.")] = False,
    as_json: Json = False,
) -> None:
    """Try a remedy on a device."""
    body = {"remedy": remedy, "dry_run": dry_run, "force": force}
    answer = call(context.obj, "POST", f"{PATH}/{quoted(encoder_id)}", body, timeout_s=TRY_S)
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"{answer['run_id']}: {answer['result'] or 'begun'} ({answer['command']})")


@app.command()
def clear(
    context: typer.Context,
    encoder_id: Annotated[str, typer.Argument(help="The device that you have looked at.")],
    as_json: Json = False,
) -> None:
    """Let a device be mended again whose breaker is open."""
    answer = call(context.obj, "DELETE", f"{PATH}/{quoted(encoder_id)}/breaker")
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"{encoder_id} may be mended again")


def _row(run: dict[str, Any]) -> dict[str, Any]:
    return {
        **run,
        "began_at": str(run["began_at"])[:19].replace("T", " "),
        "outcome": run["outcome"] or run["phase"],
    }

"""`encoder-manager certificates ...`: what is served, renew it, take up what is on disk."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.client import call
from app.cli.output import Json, show_fields, show_json, show_table
from app.cli.streams import quoted

app = typer.Typer(help="See, renew and reload certificates.", no_args_is_help=True)
COLUMNS = ("name", "address", "issuer", "not_after", "trusted", "message")
PATH = "/api/monitoring/certificates"


@app.command("list")
def list_certificates(context: typer.Context, as_json: Json = False) -> None:
    """Every certificate that is served, and what is wrong with it."""
    answer = call(context.obj, "GET", PATH)
    if as_json:
        show_json(answer)
        return
    rows = [row | {"message": row["error"] or row["message"]} for row in answer["certificates"]]
    show_table(rows, COLUMNS, empty="nothing is served over TLS")
    if answer["own"] is not None and answer["own"]["renewal"] is not None:
        typer.echo()
        show_fields(answer["own"]["renewal"])


@app.command()
def renew(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="As `certificates list` names it.")] = "own",
    as_json: Json = False,
) -> None:
    """Order a new certificate now, due or not."""
    answer = call(context.obj, "POST", f"{PATH}/{quoted(name)}/renew")
    if as_json:
        show_json(answer)
    else:
        typer.echo("the renewal begins; `certificates list` shows how it goes")


@app.command()
def accept(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A device's, as `certificates list` names it.")],
    fingerprint: Annotated[str, typer.Argument(help="SHA-256 of the certificate that it shows now.")],
    as_json: Json = False,
) -> None:
    """Take the certificate that a device shows now for its own. Compare it with the device's before."""
    plain = fingerprint.replace(":", "").lower()
    answer = call(context.obj, "POST", f"{PATH}/{quoted(name)}/accept", {"fingerprint": plain})
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"{name} must show this certificate from now on")


@app.command()
def reload(context: typer.Context, as_json: Json = False) -> None:
    """Serve the certificate that is on disk now: for Certbot's deploy hook. Connections stay open."""
    answer = call(context.obj, "POST", f"{PATH}/reload")
    if as_json:
        show_json(answer)
    else:
        typer.echo("a new certificate is served" if answer["changed"] else "it is the one that is served already")

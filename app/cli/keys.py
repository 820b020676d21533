"""`encoder-manager keys ...`: make, list and revoke API keys."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.client import call
from app.cli.output import Json, show_json, show_table
from app.cli.streams import quoted

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
COLUMNS = ("key_id", "name", "tenant", "scopes", "last4", "expires_at", "revoked_at")
DAY_S = 86_400


@app.command("list")
def list_keys(context: typer.Context, as_json: Json = False) -> None:
    """Every key, by its id and last four characters."""
    answer = call(context.obj, "GET", "/api/keys")
    if as_json:
        show_json(answer)
    else:
        show_table(answer["keys"], COLUMNS, empty="no keys")


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="read, streams, encoders, metrics, alerts or admin; may be repeated.")
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose streams it sees.")] = "default",
    days: Annotated[int, typer.Option(min=1, max=730, help="Days until it expires.")] = 90,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown this once."""
    body = {
        "name": name,
        "tenant": tenant,
        "scopes": scope or ["read", "streams"],
        "lifetime_s": days * DAY_S,
    }
    answer = call(context.obj, "POST", "/api/keys", body)
    if as_json:
        show_json(answer)
    else:
        key = answer["key"]
        typer.echo(answer["api_key"])
        typer.echo(f"{key['key_id']}, until {key['expires_at']}; it is not shown again", err=True)


@app.command()
def revoke(
    context: typer.Context, key_id: Annotated[str, typer.Argument(help="Key id, key_...")], as_json: Json = False
) -> None:
    """End a key at once."""
    answer = call(context.obj, "DELETE", f"/api/keys/{quoted(key_id)}")
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"{key_id} revoked")

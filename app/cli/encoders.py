"""`encoder-manager encoders ...`: see the fleet, take an encoder out of it and put it back."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from app.cli.client import call
from app.cli.output import Json, show_fields, show_json, show_table
from app.cli.streams import quoted

app = typer.Typer(help="See the fleet; take an encoder out of it and put it back.", no_args_is_help=True)
EncoderArgument = Annotated[str, typer.Argument(metavar="ENCODER", help="Encoder id.")]
PASSWORD_FROM: Final = "ENCMAN_DEVICE_PASSWORD"  # noqa: S105 - the name of a variable
ENTER_S: Final = 60.0
"""A device takes long to tell all that it can do."""


class Kind(StrEnum):
    HELO = "helo"


KINDS: Final = {Kind.HELO: "aja_helo"}
COLUMNS = ("encoder_id", "state", "score", "kind", "streams_primary", "streams_backup", "host_id", "region")


@app.command("list")
def list_encoders(context: typer.Context, as_json: Json = False) -> None:
    """Every encoder control knows."""
    answer = call(context.obj, "GET", "/api/encoders")
    if as_json:
        show_json(answer)
    else:
        rows = [one | {"score": "unknown"} if one.get("score") is None else one for one in answer["encoders"]]
        show_table(rows, COLUMNS, empty="no encoders; `encoder-manager encoder` runs one")


@app.command()
def show(context: typer.Context, encoder: EncoderArgument, as_json: Json = False) -> None:
    """All about one encoder."""
    answer = call(context.obj, "GET", f"/api/encoders/{quoted(encoder)}/status")
    if as_json:
        show_json(answer)
    else:
        show_fields(_readable(answer))


def _readable(encoder: dict[str, Any]) -> dict[str, Any]:
    """With the codecs as two lists of names; why one does not work is in the answer itself (--json)."""
    probed = [probe for probe in encoder.get("codecs") or () if isinstance(probe, dict)]
    lists = {
        "codecs": [probe.get("codec") for probe in probed if probe.get("works")],
        "codecs_refused": [probe.get("codec") for probe in probed if not probe.get("works")],
    }
    return {name: value for name, value in encoder.items() if name != "codecs"} | lists


@app.command()
def add(
    context: typer.Context,
    kind: Annotated[Kind, typer.Argument(help="What it is.")],
    url: Annotated[str, typer.Argument(help="Its web interface, such as http://10.1.2.3.")],
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    encoder_id: Annotated[str | None, typer.Option("--id", help="Absent: made from its address.")] = None,
    rack: Annotated[str | None, typer.Option(help="Backups are sought in another one first.")] = None,
    region: Annotated[str | None, typer.Option()] = None,
    spare_input: Annotated[
        str | None, typer.Option(help="sdi or hdmi: where the same picture comes in too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Enter a hardware encoder. Its password, if it has one, is taken from ENCMAN_DEVICE_PASSWORD or asked for."""
    given = {"name": name, "encoder_id": encoder_id, "rack": rack, "region": region, "spare_input": spare_input}
    given["password"] = _password()
    body = {"kind": KINDS[kind], "url": url} | {field: value for field, value in given.items() if value}
    answer = call(context.obj, "POST", "/api/encoders", body, timeout_s=ENTER_S)
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"{answer['encoder_id']} is in the fleet")


def _password() -> str | None:
    """Never an argument: those are seen by everybody on the machine."""
    found = os.environ.get(PASSWORD_FROM)
    if found is None and sys.stdin.isatty():
        found = typer.prompt("Password (empty: none)", default="", show_default=False, hide_input=True)
    return found or None


@app.command()
def remove(context: typer.Context, encoder: EncoderArgument, as_json: Json = False) -> None:
    """Take a hardware encoder out of the fleet; the device itself is left as it is."""
    answer = call(context.obj, "DELETE", f"/api/encoders/{quoted(encoder)}")
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"{encoder} is out of the fleet")


@app.command()
def drain(context: typer.Context, encoder: EncoderArgument, as_json: Json = False) -> None:
    """Give it no new streams, and move those it has to their standbys; one without a standby that runs stays."""
    done = "takes no new streams; those it has go to their standbys as these are ready"
    _control(context, encoder, "drain", done, as_json=as_json)


@app.command()
def undrain(context: typer.Context, encoder: EncoderArgument, as_json: Json = False) -> None:
    """Let it take new streams again."""
    _control(context, encoder, "undrain", "takes new streams again", as_json=as_json)


def _control(context: typer.Context, encoder: str, action: str, done: str, *, as_json: bool) -> None:
    answer = call(context.obj, "POST", f"/api/encoders/{quoted(encoder)}/control", {"action": action})
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"{encoder} {done}")

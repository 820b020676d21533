"""`encoder-manager streams ...`: open, look at and end streams."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from app.cli.client import Access, call, fail
from app.cli.output import Json, show_fields, show_json, show_table

app = typer.Typer(help="Open, look at and end streams.", no_args_is_help=True)
StreamArgument = Annotated[str, typer.Argument(metavar="STREAM", help="Stream id, str_...")]
MAX_ADDRESSES_CHARS = 64 * 1024
CHANGE_WAIT_S: Final = 60.0
"""A new worker is proved first, then the gateway waits for a segment border."""
CHANGED: Final = {
    "none": "it was so already",
    "in_place": "changed in place, nothing restarted",
    "planned_switch": "changed by a switch to a new worker",
}
COLUMNS = ("stream_id", "state", "name", "primary_encoder_id", "backup_encoder_id", "created_at")


class Mode(StrEnum):
    TRANSCODE = "transcode"
    PASSTHROUGH = "passthrough"


class Input(StrEnum):
    PUBLISHER = "publisher"
    DEVICE = "device"


class Standby(StrEnum):
    COLD = "cold"
    WARM = "warm"
    HOT = "hot"
    ACTIVE_ACTIVE = "active-active"


class Slate(StrEnum):
    OFF = "off"
    LAST_FRAME = "last_frame"
    STILL = "still"


@app.command("list")
def list_streams(
    context: typer.Context,
    ended: Annotated[bool, typer.Option("--ended", help="Those that have ended, too.")] = False,
    as_json: Json = False,
) -> None:
    """Streams, newest first."""
    answer = call(context.obj, "GET", "/api/streams")
    streams = [one for one in answer["streams"] if ended or one.get("state") != "ended"]
    if as_json:
        show_json({**answer, "streams": streams})
    else:
        show_table(streams, COLUMNS, empty="no streams; open one with `encoder-manager streams init`")


@app.command()
def show(context: typer.Context, stream: StreamArgument, as_json: Json = False) -> None:
    """All about one stream."""
    _show(call(context.obj, "GET", f"/api/streams/{quoted(stream)}"), as_json=as_json)


@app.command()
def health(context: typer.Context, stream: StreamArgument, as_json: Json = False) -> None:
    """How a stream is now."""
    _show(call(context.obj, "GET", f"/api/streams/{quoted(stream)}/health"), as_json=as_json)


@app.command()
def events(context: typer.Context, stream: StreamArgument, as_json: Json = False) -> None:
    """What happened to a stream, newest first."""
    answer = call(context.obj, "GET", f"/api/streams/{quoted(stream)}/events")
    if as_json:
        show_json(answer)
    else:
        show_table(answer["events"], ("at", "kind", "text"), empty="nothing was written down about it")


@app.command()
def init(
    context: typer.Context,
    resolution: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the highest rendition.")] = "1280x720",
    bitrate: Annotated[
        int, typer.Option(help="Bits per second of the highest rendition, 1000000 to 20000000.")
    ] = 2_500_000,
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 30.0,
    name: Annotated[str | None, typer.Option(help="A name people will know it by.")] = None,
    source: Annotated[
        Input, typer.Option("--input", help="Who sends the picture: who has the key, or two devices of the fleet.")
    ] = Input.PUBLISHER,
    mode: Annotated[
        Mode | None,
        typer.Option(help="Encode a ladder, or hand on what comes. Absent: a ladder; of devices what comes."),
    ] = None,
    record: Annotated[bool, typer.Option("--record", help="Write the programme to the data directory.")] = False,
    push_from: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Push the programme on to the addresses in FILE (- for standard input), one in a line: "
            "rtmp://HOST/APP/KEY. They hold keys, so they are no arguments.",
        ),
    ] = None,
    standby: Annotated[
        Standby | None, typer.Option(help="How ready the backup stands. Absent: warm; of devices hot.")
    ] = None,
    backup_input: Annotated[
        bool, typer.Option("--backup-input", help="Hand out a second key, for a second publisher that takes over.")
    ] = False,
    slate: Annotated[Slate, typer.Option(help="What viewers see while nobody publishes.")] = Slate.OFF,
    as_json: Json = False,
) -> None:
    """Open a stream; the answer shows the stream key, this once."""
    wanted: dict[str, object] = {}
    if source is not Input.PUBLISHER:
        wanted["input"] = source.value
    if mode is not None:
        wanted["mode"] = mode.value
    if record:
        wanted["record"] = True
    if push_from is not None:
        wanted["destinations"] = _addresses(push_from)
    if standby is not None:
        wanted["standby"] = standby.value
    if backup_input:
        wanted["backup_input"] = True
    if slate is not Slate.OFF:
        wanted["slate"] = slate.value
    answer = open_stream(context.obj, resolution=resolution, bitrate=bitrate, fps=fps, name=name, more=wanted)
    if as_json:
        show_json(answer)
        return
    if source is Input.DEVICE:
        shown: tuple[str, ...] = ("stream_id", "primary_encoder", "backup_encoder", "playback")
    else:
        second = ("backup_stream_key",) if answer.get("backup_stream_key") else ()
        shown = ("stream_id", "rtmp_url", "stream_key", *second)
    show_fields(answer, shown)
    for word in ("warnings", "recommendations"):
        for line in answer.get(word, ()):
            typer.echo(f"{word[:-1]}: {line}", err=True)
    if source is Input.PUBLISHER:
        typer.echo("\nOBS: Server is rtmp_url, Stream Key is stream_key. The key is not shown again.")


def _addresses(source: str) -> list[str]:
    """The lines of the file `source`, or of standard input for `-`, but empty ones and those that begin with #."""
    import sys

    try:
        if source == "-":
            text = sys.stdin.read(MAX_ADDRESSES_CHARS)
        else:
            with open(source, encoding="utf-8") as file:
                text = file.read(MAX_ADDRESSES_CHARS)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        fail(f"{source} cannot be read: {reason}", hint="name a file with one address in a line")
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    if not found:
        fail(f"{source} holds no address", hint="write one in a line: rtmp://HOST/APP/KEY")
    return found


def open_stream(
    access: Access,
    *,
    resolution: str,
    bitrate: int,
    fps: float,
    name: str | None = None,
    more: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """`more` are further fields of the request, as the API names them."""
    body: dict[str, object] = {"resolution": resolution, "bitrate": bitrate, "fps": fps, **(more or {})}
    if name is not None:
        body["name"] = name
    answer: dict[str, Any] = call(access, "POST", "/api/streams/init", body)
    return answer


@app.command()
def change(
    context: typer.Context,
    stream: StreamArgument,
    resolution: Annotated[
        str | None, typer.Option(help="WIDTHxHEIGHT of the highest rendition.", show_default=False)
    ] = None,
    bitrate: Annotated[
        int | None,
        typer.Option(help="Bits per second of the highest rendition, 1000000 to 20000000.", show_default=False),
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Change the picture of a stream while it runs; its publisher and viewers stay connected."""
    asked = {"resolution": resolution, "bitrate": bitrate, "fps": fps}
    wanted = {name: value for name, value in asked.items() if value is not None}
    if not wanted:
        fail("nothing to change", hint="name --resolution, --bitrate or --fps")
    answer = call(context.obj, "PUT", f"/api/streams/{quoted(stream)}/config", wanted, timeout_s=CHANGE_WAIT_S)
    if as_json:
        show_json(answer)
        return
    typer.echo(CHANGED.get(str(answer.get("change_class")), str(answer.get("change_class"))))
    show_fields(answer["stream"], ("stream_id", "ladder"))


@app.command()
def end(context: typer.Context, stream: StreamArgument, as_json: Json = False) -> None:
    """End a stream; its key is worth nothing afterwards."""
    answer = call(context.obj, "DELETE", f"/api/streams/{quoted(stream)}")
    if as_json:
        show_json(answer)
    else:
        typer.echo(f"{stream} ended")


def quoted(text: str) -> str:
    """`text` as one part of a path."""
    from urllib.parse import quote

    return quote(text, safe="")


def _show(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(answer)
    else:
        show_fields(answer)

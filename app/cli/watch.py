"""`encoder-manager watch STREAM`: one line a second about one stream, until it ends."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import typer

from app.cli.client import EXIT_UNAVAILABLE, call
from app.cli.output import Json, cell
from app.cli.streams import StreamArgument, quoted

MISSED_AT_MOST: Final = 30
"""Readings in a row that control may owe once it has given one."""
FIELDS: Final = (
    *("state", "score", "primary_encoder_id", "generation"),
    *("bitrate", "dropped_frames", "cpu_usage", "protected"),
)
SHOWN_IN: Final = {"bitrate": (1e-6, ".2f", "Mbit/s"), "cpu_usage": (1.0, ".0f", "%")}
"""Factor, form and unit for people; --json has the figures as the API tells them."""


def watch(
    context: typer.Context,
    stream: StreamArgument,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many lines.", show_default=False)] = None,
    interval: Annotated[float, typer.Option(min=0.2, help="Seconds between lines.")] = 1.0,
    as_json: Json = False,
) -> None:
    """Follow one stream: a line for each reading, until it ends or Ctrl-C."""
    shown = 0
    missed = 0
    while True:
        try:
            health = call(context.obj, "GET", f"/api/streams/{quoted(stream)}/health")
        except typer.Exit as refused:
            # Streams outlive a restart of control, and so does looking at one.
            missed += 1
            if not shown or refused.exit_code != EXIT_UNAVAILABLE or missed > MISSED_AT_MOST:
                raise
        else:
            missed = 0
            typer.echo(_line(health, as_json=as_json))
            shown += 1
            if health.get("state") == "ended" or shown == count:
                return
        try:
            time.sleep(interval)
        except KeyboardInterrupt:
            return


def _line(health: dict[str, Any], *, as_json: bool) -> str:
    import json

    if as_json:
        return json.dumps(health)
    at = str(health.get("at", ""))[11:19]
    return "  ".join([at, *(f"{name}={_shown(name, health.get(name))}" for name in FIELDS)])


def _shown(name: str, value: object) -> str:
    if name not in SHOWN_IN or not isinstance(value, int | float):
        return cell(value)
    factor, form, unit = SHOWN_IN[name]
    return f"{value * factor:{form}} {unit}"

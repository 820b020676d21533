"""`encoder-manager simulate helo`: devices that are not there, on this machine, until Ctrl-C.

Leaves to others: what they do (`app/simulators/`).
"""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from app.simulators.helo.simulator import HeloSimulator

PASSWORD_FROM: Final = "ENCMAN_SIMULATOR_PASSWORD"  # noqa: S105 - the name of a variable
_MOST: Final = 1000
_PORTS: Final = 65_535

simulate = typer.Typer(
    help="Run devices that are not there, for tests and for trying things out.", no_args_is_help=True
)


@simulate.callback()
def _group() -> None:
    """Keeps `helo` a word of its own while there is no other device."""


@simulate.command()
def helo(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=_PORTS, help="Of the first unit; 0: any free one.")] = 0,
    control_port: Annotated[
        int, typer.Option(min=0, max=_PORTS, help="Of the first one's door for scenarios; 0: any free one.")
    ] = 0,
    count: Annotated[int, typer.Option(min=1, max=_MOST, help="How many units.")] = 1,
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="Play it at once, e.g. 'medium free_percent=9'; may be given again."),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Largest picture really encoded, e.g. 640x360, for slow machines.")
    ] = None,
    plus: Annotated[bool, typer.Option("--plus", help="HELO Plus: with layouts.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Restarts take half a second, not a minute.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say where they listen as one line of JSON.")] = False,
) -> None:
    """Simulate AJA HELO units: web interface, faults, heat, and a real RTMP picture. Ctrl-C ends it.

    They ask for a password when ENCMAN_SIMULATOR_PASSWORD is set. The door for scenarios lists them at
    /_simulator/scenarios, and plays one that is posted to /_simulator/scenario.
    """
    import asyncio

    from app.assembly.logs import configure_logs
    from app.assembly.process import EXIT_FAILED, tie_to_parent
    from app.assembly.publishing import until_signal

    configure_logs(level="warning", fmt="pretty")
    ports = [(port and port + number, control_port and control_port + number) for number in range(count)]
    limit = None if size is None else _size(size)
    units = [
        _unit(number, host=host, ports=pair, limit=limit, plus=plus, quick=quick)
        for number, pair in enumerate(ports, 1)
    ]
    tie_to_parent()
    try:
        _play(units, scenario or [])
        asyncio.run(until_signal(_run(units, as_json=as_json)))
    except (OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from None


def _unit(
    number: int, *, host: str, ports: tuple[int, int], limit: tuple[int, int] | None, plus: bool, quick: bool
) -> HeloSimulator:
    from app.domain.secret import Secret
    from app.simulators.helo.parameters import plus_catalogue
    from app.simulators.helo.quirks import FAST, Timing
    from app.simulators.helo.simulator import HeloSimulator
    from app.simulators.helo.unit import Identity

    password = os.environ.get(PASSWORD_FROM)
    return HeloSimulator(
        host=host,
        port=ports[0],
        control_port=ports[1],
        password=None if password is None else Secret(password),
        parameters=plus_catalogue() if plus else None,
        identity=Identity(serial=f"SIM{number:04d}", mac=f"00:0C:17:FF:{number // 256:02X}:{number % 256:02X}"),
        timing=FAST if quick else Timing(),
        limit=limit,
    )


def _play(units: list[HeloSimulator], scenarios: list[str]) -> None:
    """Raises ValueError for what no scenario understands."""
    for text in scenarios:
        name, *words = shlex.split(text) or [""]
        pairs = dict(word.partition("=")[::2] for word in words)
        for unit in units:
            unit.apply(name, **pairs)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()) or int(width) % 2 or int(height) % 2:
        raise typer.BadParameter("a size is like 640x360, both even", param_hint="--size")
    return int(width), int(height)


async def _run(units: list[HeloSimulator], *, as_json: bool) -> None:
    import asyncio
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as running:
        for unit in units:
            await running.enter_async_context(unit)
        if as_json:
            where = [{"url": one.url, "control_url": one.control_url} for one in units]
            typer.echo(json.dumps({"simulators": where}))
        else:
            for one in units:
                typer.echo(f"HELO at {one.url}   scenarios at {one.control_url}/_simulator/scenarios")
        await asyncio.Event().wait()

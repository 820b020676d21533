"""The commands that *are* the system: its processes, their supervisor, their settings. Imports lazily, for speed.

Commands that only talk to a running control are in `app/cli/`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.assembly.simulate import simulate

if TYPE_CHECKING:
    from app.assembly.settings import Settings

Data = Annotated[Path | None, typer.Option("--data", help="Data directory.", show_default="./data")]
PortOption = Annotated[int | None, typer.Option(min=0, max=65_535, show_default=False)]


def add_to(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(publish)
    app.command()(control)
    app.command()(gateway)
    app.command()(encoder)
    app.command()(secrets)
    app.command()(env)
    app.add_typer(simulate, name="simulate")


def control(context: typer.Context) -> None:
    """Run the control plane: REST, Socket.IO, page, balancer, store."""
    from app.assembly.process import run_process, settings_or_exit
    from app.assembly.settings import Role

    settings = settings_or_exit(Role.CONTROL, _placed(context))
    from app.assembly.control import run

    raise typer.Exit(run_process(Role.CONTROL, run, settings))


def gateway(context: typer.Context) -> None:
    """Run a gateway: RTMP in, programme out."""
    from app.assembly.process import run_process, settings_or_exit
    from app.assembly.settings import Role

    settings = settings_or_exit(Role.GATEWAY, _placed(context))
    from app.assembly.gateway import run

    raise typer.Exit(run_process(Role.GATEWAY, run, settings))


def encoder(context: typer.Context) -> None:
    """Run an encoder node on this machine."""
    from app.assembly.process import run_process, settings_or_exit
    from app.assembly.settings import Role

    settings = settings_or_exit(Role.ENCODER, _placed(context))
    from app.assembly.encoder import run

    raise typer.Exit(run_process(Role.ENCODER, run, settings))


def env() -> None:
    """Print every setting with its meaning and default, as a file for `.env`."""
    from app.assembly.env_example import env_example

    typer.echo(env_example(), nl=False)


def secrets(context: typer.Context, data: Data = None) -> None:
    """Make the secrets this installation lacks, in DATA/secrets.env. Those that are there stay."""
    from app.assembly.process import settings_or_exit

    made = _ensured(settings_or_exit(None, _placed(context, data)))
    typer.echo(f"made: {', '.join(made)}" if made else "nothing was missing")


def _placed(context: typer.Context, data: Path | None = None) -> dict[str, object]:
    """The data directory as a command's own option names it, else as the one before the command does."""
    place = data or context.obj.data_dir
    return {} if place is None else {"data_dir": str(place)}


def _ensured(settings: Settings) -> tuple[str, ...]:
    """The names of the secrets that were missing and have been made."""
    from app.assembly.secrets_file import ensure_secrets
    from app.assembly.settings import SECRET_NAMES

    set_elsewhere = frozenset(name for name in SECRET_NAMES if getattr(settings, name))
    try:
        return ensure_secrets(settings.data_dir, set_elsewhere)
    except OSError as error:
        raise typer.BadParameter(f"{settings.data_dir}: {error.strerror}", param_hint="--data") from None


def up(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 0.0.0.0 opens every door to the network.")
    ] = None,
    data: Data = None,
    encoders: Annotated[int, typer.Option(min=1, max=16, help="Encoder nodes to run here.")] = 2,
    control_port: PortOption = None,
    rtmp_port: PortOption = None,
    http_port: PortOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say what runs where as one line of JSON.")] = False,
) -> None:
    """Run everything on this machine: control, gateway and encoders. Ctrl-C ends it. Port 0: any free one."""
    from app.assembly.addresses import is_wildcard, reachable
    from app.assembly.logs import configure_logs
    from app.assembly.process import settings_or_exit
    from app.assembly.settings import Role

    options = {
        **dict.fromkeys(("control_host", "rtmp_host", "http_host"), host),
        "public_host": None if host is None or is_wildcard(host) else host,
        "control_port": control_port,
        "rtmp_port": rtmp_port,
        "http_port": http_port,
    }
    given = _placed(context, data) | {name: value for name, value in options.items() if value is not None}
    _ensured(settings_or_exit(None, given))
    settings = reachable(settings_or_exit(Role.CONTROL, given))
    configure_logs(level=settings.log_level, fmt=settings.log_format)
    raise typer.Exit(_supervise(settings, encoders=encoders, as_json=as_json))


def _supervise(settings: Settings, *, encoders: int, as_json: bool) -> int:
    import asyncio

    from app.assembly.process import EXIT_FAILED, EXIT_SETTINGS
    from app.assembly.supervisor import Supervisor, found_by_commands, one_at_a_time, settle_ports
    from app.assembly.welcome import facts, welcome
    from app.domain.errors import InvalidSettings, ManagerError

    try:
        with one_at_a_time(settings.data_dir):
            settled = settle_ports(settings)

            def tell(key_works: bool) -> None:
                if as_json:
                    typer.echo(json.dumps(facts(settled, encoders=encoders, key_works=key_works)))
                else:
                    typer.echo(welcome(settled, encoders=encoders, command=_called_as(), key_works=key_works))

            with found_by_commands(settled):
                asyncio.run(Supervisor(settled, encoders=encoders, on_ready=tell).run())
    except ManagerError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        typer.echo(f"{error.detail}{hint}", err=True)
        return EXIT_SETTINGS if isinstance(error, InvalidSettings) else EXIT_FAILED
    return 0


def publish(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="testcard|FILE", help="What to send.")],
    stream: Annotated[
        str | None, typer.Argument(help="Stream id; without one a stream is opened, and ended afterwards.")
    ] = None,
    loop: Annotated[bool, typer.Option(help="Start the file over at its end.")] = False,
) -> None:
    """Send the test card, or a video file, in real time to a stream.

    The key of a stream that is open already comes from ENCMAN_STREAM_KEY; without it, it is asked for.
    """
    from app.assembly.publishing import publish_to

    raise typer.Exit(publish_to(context.obj, source=source, stream=stream, loop=loop))


def _called_as() -> str:
    called = Path(sys.argv[0])
    return "python -m app" if called.name == "__main__.py" else str(called)

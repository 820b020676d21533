"""The command line's root: what can be asked of a running control. Processes are added by the roof."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import alerts, encoders, failovers, incidents, keys, remedies, streams, watch
from app.cli.certificates import app as certificates_app
from app.cli.doctor import doctor
from app.cli.output import Json

app = typer.Typer(
    name="encoder-manager",
    help="Manages live streams on a fleet of encoders.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
streams.app.command()(failovers.failovers)
app.add_typer(streams.app, name="streams")
app.add_typer(encoders.app, name="encoders")
app.add_typer(keys.app, name="keys")
app.add_typer(certificates_app, name="certificates")
app.add_typer(alerts.app, name="alerts")
app.add_typer(remedies.app, name="remedies")
app.add_typer(incidents.app, name="incidents")
app.command()(watch.watch)
app.command()(failovers.drill)
app.command()(doctor)


@app.command()
def version(as_json: Json = False) -> None:
    """Print the version."""
    from app.version import __version__

    typer.echo(f'{{"version": "{__version__}"}}' if as_json else __version__)


def _show_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Option(envvar="ENCMAN_CONTROL_URL", help="Where control listens.", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            envvar="ENCMAN_DATA_DIR",
            help="Data directory; its key is used when no other is set.",
            show_default="./data",
        ),
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and end.")
    ] = False,
) -> None:
    """The API key comes from ENCMAN_API_KEY, else from the data directory."""
    from app.cli.client import Access

    context.obj = Access(url=url, data_dir=data)

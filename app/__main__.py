"""Entry of every process and of the command line: `encoder-manager ...`, or `python -m app ...`."""

from __future__ import annotations

from app.assembly.commands import add_to
from app.cli.app import app

add_to(app)


def main() -> None:
    app()


if __name__ == "__main__":
    main()

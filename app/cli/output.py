"""Prints answers: as JSON for machines, as plain aligned text for people. Unknown values show as `-`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")]


def show_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_fields(record: Mapping[str, Any], names: Sequence[str] | None = None) -> None:
    """One `name  value` line each; nested parts are indented."""
    _fields({name: record.get(name) for name in names} if names else record, indent=0)


def _fields(record: Mapping[str, Any], *, indent: int) -> None:
    width = max((len(name) for name in record), default=0)
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            typer.echo(f"{' ' * indent}{name}")
            _fields(value, indent=indent + 2)
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            typer.echo(f"{' ' * indent}{name}")
            for item in value:
                typer.echo(f"{' ' * indent}  {_row(item)}")
        else:
            typer.echo(f"{' ' * indent}{name:<{width}}  {cell(value)}")


def _row(item: object) -> str:
    """One of several parts in one line, without what is not known of it."""
    if not isinstance(item, Mapping):
        return cell(item)
    return "  ".join(f"{cell(name)}={cell(value)}" for name, value in item.items() if value is not None)


def show_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
    if not rows:
        typer.echo(empty)
        return
    lines = [[column.upper() for column in columns]] + [
        [cell(row.get(column)) for column in columns] for row in rows
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        typer.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def cell(value: object) -> str:
    """One value in one line, without anything that could steer the terminal."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, Mapping):
        return str(value.get("name") or value.get("encoder_id") or json.dumps(value, ensure_ascii=False))
    if isinstance(value, list | tuple):
        parts = [cell(item) for item in value]
        return ("; " if any("," in part for part in parts) else ", ").join(parts) or "-"
    return "".join(c if c.isprintable() else "?" for c in str(value))

"""`encoder-manager streams failovers` and `drill`: what switches of encoders cost, and the proof of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from app.cli.client import EXIT_FAILED, Access, call
from app.cli.output import Json, cell, show_json, show_table
from app.cli.streams import StreamArgument, quoted

DRILL_WAIT_S: Final = 60.0
"""Control waits 30 s for a report."""
PROTECTED_WAIT_S: Final = 60.0
LOOK_EVERY_S: Final = 0.5
ON_ITS_WAY: Final = ("preparing", "sought")
"""States of a backup that will soon be ready."""
TIMES: Final = ("detected_ms", "decided_ms", "first_frame_ms", "stall_ms", "catch_up_ms")
COLUMNS: Final = ("when", "from", "to", "kind", "cause", *TIMES, "missing", "doubled")


class Kind(StrEnum):
    KILL = "kill"
    STALL = "stall"
    PLANNED = "planned"


def failovers(
    context: typer.Context,
    stream: StreamArgument,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many at most, the newest.")] = 20,
    as_json: Json = False,
) -> None:
    """What each switch of encoders cost, newest first. Times count from the last picture of the old one."""
    answer = call(context.obj, "GET", f"/api/streams/{quoted(stream)}/failovers?limit={limit}")
    if as_json:
        show_json(answer)
    else:
        rows = [_row(report) for report in answer["failovers"]]
        show_table(rows, COLUMNS, empty="no failover yet; `encoder-manager drill` makes one")


def drill(
    context: typer.Context,
    stream: StreamArgument,
    kind: Annotated[
        Kind, typer.Option(help="SIGKILL to the encoding worker, SIGSTOP, or a switch at a segment border.")
    ] = Kind.KILL,
    count: Annotated[int, typer.Option(min=1, max=100, help="One after the other, each once protected again.")] = 1,
    as_json: Json = False,
) -> None:
    """Break a live stream's encoder for real and see what viewers lose; exit code 1 if it was any frame.

    Waits a minute for a backup that is on its way.
    """
    reports: list[dict[str, Any]] = []
    ended_early: typer.Exit | None = None
    try:
        for number in range(1, count + 1):
            _until_protected(context.obj, stream)
            reports += _once(context.obj, stream, kind)
            if not as_json:
                typer.echo(f"{number}/{count}  {_line(reports[-1])}")
    except typer.Exit as refused:
        ended_early = refused
    passed = ended_early is None and all(_lossless(report) for report in reports)
    _conclude(reports, passed=passed, as_json=as_json)
    if ended_early is not None:
        raise ended_early
    if not passed:
        raise typer.Exit(EXIT_FAILED)


def _once(access: Access, stream: str, kind: Kind) -> list[dict[str, Any]]:
    path = f"/api/streams/{quoted(stream)}/drill"
    answer = call(access, "POST", path, {"kind": kind.value, "count": 1}, timeout_s=DRILL_WAIT_S)
    reports: list[dict[str, Any]] = answer["failovers"]
    return reports


def _until_protected(access: Access, stream: str) -> None:
    """Waits while a backup is on its way. Where none is, control refuses the drill in its own words."""
    deadline = time.monotonic() + PROTECTED_WAIT_S
    while time.monotonic() < deadline:
        health = call(access, "GET", f"/api/streams/{quoted(stream)}/health")
        if health.get("protected") or (health.get("standby") or {}).get("state") not in ON_ITS_WAY:
            return
        time.sleep(LOOK_EVERY_S)


def _conclude(reports: Sequence[Mapping[str, Any]], *, passed: bool, as_json: bool) -> None:
    if as_json:
        show_json({"passed": passed, "failovers": reports, "summary": _summary(reports)})
        return
    if len(reports) > 1:
        rows = [{"ms": name.removesuffix("_ms"), **figures} for name, figures in _summary(reports).items()]
        show_table(rows, ("ms", "p50", "p95", "max"), empty="")
    if reports:
        lost = sum(not _lossless(report) for report in reports)
        bad = f"{lost} of {len(reports)} lost frames, doubled some, or could not be counted to the end"
        typer.echo(bad if lost else f"{len(reports)} of {len(reports)}: no frame lost, none doubled")


def _summary(reports: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Nearest-rank percentiles of what was measured; a time that never was is left out."""
    found: dict[str, dict[str, float]] = {}
    for name in TIMES:
        values = sorted(float(report[name]) for report in reports if report.get(name) is not None)
        if values:
            found[name] = {"p50": _rank(values, 50), "p95": _rank(values, 95), "max": values[-1]}
    return found


def _rank(values: Sequence[float], percent: int) -> float:
    return values[max(0, -(-len(values) * percent // 100) - 1)]


def _lossless(report: Mapping[str, Any]) -> bool:
    counted = report.get("frames_missing") == 0 and report.get("frames_doubled") == 0
    return counted and bool(report.get("complete"))


def _row(report: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **report,
        "when": str(report.get("at", ""))[:19].replace("T", " "),
        "from": report.get("from_encoder_id") or report.get("from_input"),
        "to": report.get("to_encoder_id") or report.get("to_input"),
        "missing": report.get("frames_missing"),
        "doubled": report.get("frames_doubled"),
    }


def _line(report: Mapping[str, Any]) -> str:
    row = _row(report)
    names = ("detected", "decided", "first_frame", "stall", "catch_up")
    known = {name: value for name in names if (value := row.get(f"{name}_ms")) is not None}
    times = ", ".join(f"{name.replace('_', ' ')} {cell(value)} ms" for name, value in known.items())
    lost = f"{cell(row['missing'])} missing, {cell(row['doubled'])} doubled"
    parts = (f"{cell(row['from'])} -> {cell(row['to'])}: {cell(row.get('cause'))}", times, lost)
    return "; ".join(part for part in parts if part)

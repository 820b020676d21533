"""What was measured, as a table. Milliseconds; `-` is not known."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.failover.viewer import Window


@dataclass(frozen=True)
class Event:
    """One failover: as a viewer saw it, and as the product's own report tells it. A peer has no report.

    `usual` is what the same viewer saw in the seconds before.
    """

    usual: Window
    seen: Window
    report: dict[str, Any] | None


@dataclass(frozen=True)
class Cell:
    """All failovers of one kind under one grade, or of one peer."""

    name: str
    kind: str
    events: list[Event]
    cpu: dict[str, float | None] = field(default_factory=dict)

    def row(self) -> list[str]:
        reports = [event.report for event in self.events if event.report is not None]
        tracks = [track for report in reports for track in report["tracks"]]
        return [
            self.name,
            self.kind,
            str(len(self.events)),
            spread(event.usual.gap_s * 1000 for event in self.events),
            spread(event.seen.gap_s * 1000 for event in self.events),
            spread(_known(reports, "stall_ms")),
            spread(_known(reports, "detected_ms")),
            spread(_known(reports, "first_frame_ms")),
            spread(_known(reports, "catch_up_ms")),
            _sum(event.seen.lost for event in self.events)
            + "/"
            + _sum(event.seen.doubled for event in self.events),
            _sum(track["missing"] for track in tracks) + "/" + _sum(track["doubled"] for track in tracks),
        ]


HEAD = [
    *("grade", "kind", "n", "gap before", "viewer's gap", "stall", "detected", "first frame", "caught up"),
    *("lost/doubled seen", "reported"),
]


def spread(values: Iterable[float]) -> str:
    """Median, 95th percentile and largest."""
    ordered = sorted(values)
    if not ordered:
        return "-"
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return f"{statistics.median(ordered):.0f} {p95:.0f} {ordered[-1]:.0f}"


def table(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _known(reports: list[dict[str, Any]], name: str) -> list[float]:
    return [float(report[name]) for report in reports if report.get(name) is not None]


def _sum(values: Iterable[int | None]) -> str:
    known = [value for value in values if value is not None]
    return str(sum(known)) if known else "-"

"""What failovers cost, for Prometheus: fed by their reports. Every label is one of few words."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from app.domain.failover import DecidedBy, SwitchKind, SwitchReport

SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Close together below half a second, where a warm standby should be; 2 s is the promise, 3 s the most."""
_TIMES: Final = (
    ("stall", "Longest time without a picture in a switch.", "stall_ms"),
    ("detection", "From the last picture of the old worker until its loss was seen.", "detected_ms"),
    ("first_frame", "From the last picture of the old worker to the first of the new one.", "first_frame_ms"),
    (
        "catch_up",
        "From the last picture of the old worker until the new one had caught up.",
        "catch_up_ms",
    ),
)
_CAUSES: Final = (
    ("connection", ("connection", "closed", "reset", "exited", "killed", "lost")),
    ("stall", ("stall", "no progress", "stands still", "silent")),
    ("heat", ("heat", "hot", "temperature", "thermal", "°c")),
    ("load", ("load", "behind", "cpu", "slow")),
    ("change", ("change", "picture", "config")),
    ("node", ("offline", "heartbeat", "node", "drain")),
)


def cause_class(report: SwitchReport) -> str:
    """One of few words for a cause, which is free text; who decided comes before why."""
    if report.decided_by in (DecidedBy.DRILL, DecidedBy.OPERATOR):
        return report.decided_by.value
    cause = report.cause.lower()
    return next((name for name, words in _CAUSES if any(word in cause for word in words)), "other")


class FailoverMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._times = {
            attribute: Histogram(
                f"encman_failover_{name}_seconds", text, ("kind", "grade"), registry=registry, buckets=SECONDS
            )
            for name, text, attribute in _TIMES
        }
        self._switches = Counter(
            "encman_failover_switches", "Measured switches.", ("kind", "cause"), registry=registry
        )
        self._missing = Counter(
            "encman_failover_frames_missing", "Frames that never came out.", ("kind",), registry=registry
        )
        self._doubled = Counter(
            "encman_failover_frames_doubled", "Frames that came out twice.", ("kind",), registry=registry
        )
        self._uncounted = Counter(
            "encman_failover_uncounted",
            "Switches without a count of frames.",
            ("kind",),
            registry=registry,
        )
        for kind in SwitchKind:
            # From the start: Prometheus sees no increase in a series that begins with its first count.
            for counter in (self._missing, self._doubled, self._uncounted):
                counter.labels(kind.value)

    def measured(self, report: SwitchReport) -> None:
        kind = report.kind.value
        self._switches.labels(kind, cause_class(report)).inc()
        for attribute, histogram in self._times.items():
            value = getattr(report, attribute)
            if value is not None:
                histogram.labels(kind, report.grade.value).observe(value / 1000)
        if report.frames_missing is None:
            self._uncounted.labels(kind).inc()
        else:
            self._missing.labels(kind).inc(report.frames_missing)
        self._doubled.labels(kind).inc(report.frames_doubled)

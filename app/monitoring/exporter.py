"""Prometheus' view of the system: gauges read at each scrape, counters fed by facts.

Labels name encoders and streams by id, never by a name or a key that somebody typed. A stream's series end with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from app.domain.encoder import EncoderState
from app.domain.events import Event, StreamErrorSeen, StreamFailedOver, WorkerReplaced
from app.domain.fleet import EncoderView
from app.domain.session import StreamHealth
from app.domain.severity import Severity
from app.domain.stream import StandbyGrade, StreamState
from app.monitoring.failover_metrics import FailoverMetrics
from app.version import __version__

_ENCODER: Final = (
    ("encman_encoder_cpu_ratio", "CPU of the encoder's machine, 0 to 1.", "cpu_percent", 0.01),
    ("encman_encoder_memory_ratio", "Memory in use, 0 to 1.", "memory_percent", 0.01),
    ("encman_encoder_temperature_celsius", "Temperature.", "temperature_c", 1.0),
    ("encman_encoder_gpu_ratio", "GPU in use, 0 to 1.", "gpu_percent", 0.01),
    ("encman_encoder_disk_ratio", "Disk in use, 0 to 1.", "disk_percent", 0.01),
)


class Exporter(Collector):
    """`fleet` and `streams` give the present picture; `hear` listens to the bus. `leads`: this control is the one
    that acts. `drills_daily`: each protected stream is drilled once a day."""

    def __init__(
        self,
        *,
        fleet: Callable[[], Iterable[EncoderView]],
        streams: Callable[[], Iterable[StreamHealth]],
        leads: Callable[[], bool] = lambda: True,
        drills_daily: bool = False,
    ) -> None:
        self._leads = leads
        self._drills_daily = drills_daily
        self._fleet = fleet
        self._streams = streams
        self._failovers: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "encman_http_request_seconds",
            "Time to answer a request of the API.",
            ("operation", "status"),
            registry=self._registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0),
        )
        self._switches = FailoverMetrics(self._registry)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def hear(self, event: Event) -> None:
        if isinstance(event, WorkerReplaced):
            self._failovers["first" if event.from_id is None else "replaced"] += 1
        elif isinstance(event, StreamFailedOver):
            self._switches.measured(event.report)
        elif isinstance(event, StreamErrorSeen):
            self._errors[event.severity] += 1

    def count_request(self, operation: str, status: int, seconds: float) -> None:
        self._requests.labels(operation, str(status)).observe(seconds)

    def add(self, collector: Collector) -> None:
        """What another monitor knows goes out with the rest."""
        self._registry.register(collector)

    def families(self) -> Iterable[Metric]:
        """What `text` writes, those without a sample too."""
        return self._registry.collect()

    def text(self) -> bytes:
        """The text format of Prometheus, version 0.0.4."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        build = GaugeMetricFamily("encman_build_info", "What runs here.", labels=("version",))
        build.add_metric((__version__,), 1)
        yield build
        yield GaugeMetricFamily(
            "encman_control_leads", "1: this control acts; 0: it stands by.", value=float(self._leads())
        )
        yield GaugeMetricFamily(
            "encman_drills_daily",
            "1: each protected stream is drilled once a day.",
            value=float(self._drills_daily),
        )
        yield from self._encoder_metrics(tuple(self._fleet()))
        yield from self._stream_metrics(tuple(self._streams()))
        failovers = CounterMetricFamily("encman_failover", "Workers that took a stream over.", labels=("kind",))
        for kind in ("first", "replaced"):
            failovers.add_metric((kind,), self._failovers[kind])
        yield failovers
        errors = CounterMetricFamily("encman_stream_errors", "Errors told to clients.", labels=("severity",))
        for severity in Severity:
            # From the start: Prometheus sees no increase in a series that begins with its first error.
            errors.add_metric((severity.value,), self._errors[severity])
        yield errors

    def _encoder_metrics(self, fleet: tuple[EncoderView, ...]) -> Iterable[Metric]:
        states = Counter(view.state for view in fleet)
        by_state = GaugeMetricFamily("encman_encoders", "Encoders in each state.", labels=("state",))
        for state in EncoderState:
            by_state.add_metric((state,), states[state])
        yield by_state
        up = GaugeMetricFamily("encman_encoder_up", "0: it is offline.", labels=("encoder",))
        for view in fleet:
            up.add_metric((view.info.encoder_id,), float(view.state is not EncoderState.OFFLINE))
        yield up
        for name, help_text, attribute, factor in _ENCODER:
            family = GaugeMetricFamily(name, help_text, labels=("encoder",))
            for view in fleet:
                value = getattr(view.reading, attribute, None)
                if value is not None:
                    family.add_metric((view.info.encoder_id,), value * factor)
            yield family
        score = GaugeMetricFamily("encman_encoder_health_score", "0 to 100.", labels=("encoder",))
        promised = GaugeMetricFamily(
            "encman_encoder_used_pixels_per_second", "Promised to streams, backups included.", labels=("encoder",)
        )
        for view in fleet:
            if view.score is not None:
                score.add_metric((view.info.encoder_id,), view.score)
            promised.add_metric((view.info.encoder_id,), view.used_pixels_per_s)
        yield score
        yield promised

    def _stream_metrics(self, streams: tuple[StreamHealth, ...]) -> Iterable[Metric]:
        states = Counter(health.state for health in streams)
        by_state = GaugeMetricFamily("encman_streams", "Streams in each state.", labels=("state",))
        for state in StreamState:
            by_state.add_metric((state,), states[state])
        yield by_state
        rate = GaugeMetricFamily("encman_stream_bitrate_bps", "Programme's bit rate.", labels=("stream",))
        score = GaugeMetricFamily("encman_stream_health_score", "0 to 100.", labels=("stream",))
        protected = GaugeMetricFamily("encman_stream_protected", "1: a backup stands ready.", labels=("stream",))
        dropped = CounterMetricFamily("encman_stream_frames_dropped", "Frames dropped.", labels=("stream",))
        for health in streams:
            stream = (health.stream_id,)
            if health.bitrate is not None:
                rate.add_metric(stream, health.bitrate)
            if health.score is not None:
                score.add_metric(stream, health.score)
            protected.add_metric(stream, float(health.protected))
            if health.dropped_frames is not None:
                dropped.add_metric(stream, health.dropped_frames)
        yield from (rate, score, protected, dropped)
        yield from _standby_metrics(streams)


def _standby_metrics(streams: tuple[StreamHealth, ...]) -> Iterable[Metric]:
    grades = Counter(health.standby.grade for health in streams if health.standby and not health.protected)
    unprotected = GaugeMetricFamily(
        "encman_streams_unprotected", "Streams that need a backup and have none ready.", labels=("grade",)
    )
    for grade in StandbyGrade:
        unprotected.add_metric((grade,), grades[grade])
    age = GaugeMetricFamily("encman_stream_drill_age_seconds", "Since the last drill.", labels=("stream",))
    passed = GaugeMetricFamily("encman_stream_drill_passed", "1: the last drill lost no frame.", labels=("stream",))
    ready = GaugeMetricFamily(
        "encman_stream_readiness", "0: a loss would be seen; 1: it was tried out lately.", labels=("stream",)
    )
    for health in streams:
        stream = (health.stream_id,)
        if health.readiness is not None:
            ready.add_metric(stream, health.readiness)
        if health.last_drill is not None:
            age.add_metric(stream, max(0.0, (health.at - health.last_drill.at).total_seconds()))
            passed.add_metric(stream, float(health.last_drill.fault is None))
    return (unprotected, ready, age, passed)

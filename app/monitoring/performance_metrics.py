"""How the system performs, for Prometheus: the figures that no other metric tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.domain.performance import Figure

SHOWN: Final = (
    (
        Figure.LATENCY_MS,
        "encman_latency_seconds",
        "Source frame in to programme frame out.",
        0.001,
    ),
    (Figure.LATENCY_WORST_MS, "encman_latency_worst_seconds", "The same, worst stream.", 0.001),
    (
        Figure.ENCODE_LATENCY_MS,
        "encman_encode_latency_worst_seconds",
        "Worst worker, frame to packet.",
        0.001,
    ),
    (Figure.BUS_PER_S, "encman_bus_messages_per_second", "Facts told inside control.", 1.0),
    (Figure.LINK_FACTS_PER_S, "encman_link_facts_per_second", "Facts from gateways and nodes.", 1.0),
    (Figure.LINK_ORDERS_PER_S, "encman_link_orders_per_second", "Orders to gateways and nodes.", 1.0),
    (Figure.SOCKET_PER_S, "encman_socket_messages_per_second", "Messages to clients of Socket.IO.", 1.0),
    (Figure.LOOP_LAG_MS, "encman_loop_lag_seconds", "How late control gets its turn, worst of a second.", 0.001),
)


class PerformanceMetrics(Collector):
    """A figure that is not known has no sample."""

    def __init__(self, newest: Callable[[], Mapping[Figure, float | None]]) -> None:
        self._newest = newest

    def collect(self) -> Iterable[Metric]:
        now = self._newest()
        for figure, name, text, factor in SHOWN:
            value = now.get(figure)
            family = GaugeMetricFamily(name, text)
            if value is not None:
                family.add_metric((), value * factor)
            yield family

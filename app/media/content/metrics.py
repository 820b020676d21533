"""What looking at content costs a gateway, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.media.content.rounds import ContentRounds


class ContentCollector(Collector):
    def __init__(self, rounds: ContentRounds) -> None:
        self._rounds = rounds

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        rounds = self._rounds
        looks = CounterMetricFamily("encman_content_looks", "Looks at pictures and sound")
        looks.add_metric([], rounds.looks)
        busy = CounterMetricFamily("encman_content_look_seconds", "Processor time that looks took")
        busy.add_metric([], rounds.busy_s)
        failures = CounterMetricFamily("encman_content_look_failures", "Looks that were not answered")
        failures.add_metric([], rounds.failures)
        oldest = GaugeMetricFamily("encman_content_oldest_look_seconds", "Since the look longest ago")
        oldest.add_metric([], rounds.oldest_look_s)
        yield from (looks, busy, failures, oldest)

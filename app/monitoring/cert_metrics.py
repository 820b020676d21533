"""When the certificates that are served end, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.monitoring.cert_watch import Watched


class CertificateMetrics(Collector):
    """`seen`: every place, as it was last seen. A place's series end with it."""

    def __init__(self, seen: Callable[[], Iterable[Watched]]) -> None:
        self._seen = seen

    def collect(self) -> Iterable[Metric]:
        ends = GaugeMetricFamily(
            "encman_certificate_not_after_timestamp_seconds",
            "When the certificate that is served there ends.",
            labels=("name",),
        )
        begins = GaugeMetricFamily(
            "encman_certificate_not_before_timestamp_seconds",
            "When the certificate that is served there began.",
            labels=("name",),
        )
        trusted = GaugeMetricFamily(
            "encman_certificate_trusted", "1: clients accept the chain that is served there.", labels=("name",)
        )
        for one in self._seen():
            if one.chain is not None and one.verdict is not None:
                ends.add_metric((one.place.name,), one.chain.leaf.not_after.timestamp())
                begins.add_metric((one.place.name,), one.chain.leaf.not_before.timestamp())
                trusted.add_metric((one.place.name,), float(not one.verdict.is_bad))
        yield ends
        yield begins
        yield trusted

"""How many alerts fire, and whether people are told of them, for Prometheus. No alert is a label, only
what kind it is: those of somebody else, whose names we do not choose, are counted by severity alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.domain.alert import Alert
from app.domain.severity import Severity
from app.monitoring.alert_desk import ChannelState


class AlertMetrics(Collector):
    """`active`: all that fires; `channels`: how people are told."""

    def __init__(
        self, *, active: Callable[[], Iterable[Alert]], channels: Callable[[], Iterable[ChannelState]]
    ) -> None:
        self._active = active
        self._channels = channels

    def collect(self) -> Iterable[Metric]:
        active = tuple(self._active())
        firing: Counter[tuple[Severity, bool]] = Counter(
            (alert.severity, alert.silenced_by is not None) for alert in active
        )
        alerts = GaugeMetricFamily(
            "encman_alerts",
            "Alerts that fire, by severity and whether they are silenced.",
            labels=("severity", "silenced"),
        )
        for severity in Severity:
            for is_silenced in (False, True):
                alerts.add_metric((severity.value, str(is_silenced).lower()), firing[severity, is_silenced])
        yield alerts
        yield _by_kind(active)
        yield from self._of_channels()

    def _of_channels(self) -> Iterable[Metric]:
        sent = CounterMetricFamily(
            "encman_notifications", "Messages that a channel took or refused.", labels=("channel", "outcome")
        )
        waiting = GaugeMetricFamily(
            "encman_notifications_waiting", "Messages that are not sent yet.", labels=("channel",)
        )
        failing = GaugeMetricFamily(
            "encman_notifier_failing", "1: alerts do not get out this way.", labels=("channel",)
        )
        for channel in self._channels():
            sent.add_metric((channel.name, "sent"), channel.sent)
            sent.add_metric((channel.name, "failed"), channel.failed)
            waiting.add_metric((channel.name,), channel.waiting)
            failing.add_metric((channel.name,), float(channel.fault is not None))
        yield sent
        yield waiting
        yield failing


def _by_kind(active: Iterable[Alert]) -> Metric:
    ours = Counter(
        (alert.name, alert.category.value, alert.severity.value)
        for alert in active
        if alert.silenced_by is None and not alert.is_external
    )
    kinds = GaugeMetricFamily(
        "encman_alerts_firing",
        "Alerts of this system that fire and are not silenced, by name.",
        labels=("name", "category", "severity"),
    )
    for labels, count in sorted(ours.items()):
        kinds.add_metric(labels, count)
    return kinds

"""Prometheus sees how many alerts fire and whether people are told."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client import CollectorRegistry, generate_latest

from app.monitoring.alert_desk import ChannelState
from app.monitoring.alert_metrics import AlertMetrics
from tests.support.alerts import alert


def test_alerts_are_counted_by_severity_and_channels_by_what_became_of_their_messages() -> None:
    registry = CollectorRegistry()
    channels = (ChannelState("email", 3, "away", sent=7, failed=2), ChannelState("webhook", 0, None))
    firing = (
        alert(),
        replace(alert("f2"), silenced_by="sil_1"),
        replace(alert("f3"), name="SomebodyElses", is_external=True),
    )
    registry.register(AlertMetrics(active=lambda: firing, channels=lambda: channels))
    lines = generate_latest(registry).decode().splitlines()
    for wanted in (
        'encman_alerts{severity="critical",silenced="false"} 2.0',
        'encman_alerts{severity="critical",silenced="true"} 1.0',
        'encman_alerts{severity="info",silenced="false"} 0.0',
        'encman_alerts_firing{category="encoder_offline",name="encoder_offline",severity="critical"} 1.0',
        'encman_notifications_total{channel="email",outcome="sent"} 7.0',
        'encman_notifications_total{channel="email",outcome="failed"} 2.0',
        'encman_notifications_waiting{channel="email"} 3.0',
        'encman_notifier_failing{channel="email"} 1.0',
        'encman_notifier_failing{channel="webhook"} 0.0',
    ):
        assert wanted in lines
    assert not [line for line in lines if "SomebodyElses" in line]

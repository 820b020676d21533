"""The manual names every metric that a gateway exports, and no other."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from app.media.content.child import SamplingChild
from app.media.content.metrics import ContentCollector
from app.media.content.rounds import ContentRounds
from app.media.gateway import Gateway
from app.media.metrics import GatewayCollector
from app.media.outputs import ChannelOutputs

MANUAL = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def no_outputs() -> ChannelOutputs:
    raise AssertionError("nothing is opened here")


def test_the_manual_names_what_a_gateway_exports() -> None:
    section = MANUAL.partition("### Metrics of a gateway")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(encman_[a-z_]+)`", section))
    gateway = Gateway(
        tell=lambda fact: None,
        monotonic=lambda: 0.0,
        utc_now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        make_outputs=no_outputs,
    )
    registry = CollectorRegistry()
    registry.register(GatewayCollector(gateway))
    rounds = ContentRounds(
        channels=list,
        sampler=SamplingChild((), monotonic=lambda: 0.0),
        tell=lambda fact: None,
        monotonic=lambda: 0.0,
        utc_now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )
    registry.register(ContentCollector(rounds))
    exported = set(re.findall(r"^# TYPE (\S+)", generate_latest(registry).decode(), re.MULTILINE))
    assert named == exported

"""The shipped Prometheus rules and Alertmanager configuration: accepted by the real tools, proved both ways, and
about nothing that this system does not export."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client.core import Metric

from app.domain.condition import Category
from app.domain.severity import Severity
from app.media.content.child import SamplingChild
from app.media.content.metrics import ContentCollector
from app.media.content.rounds import ContentRounds
from app.media.gateway import Gateway
from app.media.metrics import GatewayCollector
from app.media.outputs import ChannelOutputs
from app.monitoring.alert_metrics import AlertMetrics
from app.monitoring.cert_metrics import CertificateMetrics
from app.monitoring.exporter import Exporter
from app.monitoring.health_clocks import HealthClocks
from app.monitoring.performance_metrics import PerformanceMetrics
from app.runtime.bus import Bus
from tests.support.peers import program

ROOT: Final = Path(__file__).resolve().parents[2]
RULES: Final = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
TESTS: Final = sorted((ROOT / "prometheus" / "tests").glob("*.yml"))
MANUAL: Final = (ROOT / "docs" / "alerting.md").read_text(encoding="utf-8")
NEVER_QUIET: Final = "Watchdog"
_OF_SERIES: Final = ("_total", "_bucket", "_count", "_sum")


def loaded(paths: Iterable[Path]) -> Iterator[Any]:
    for path in paths:
        yield yaml.safe_load(path.read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    return [rule for file in loaded(RULES) for group in file["groups"] for rule in group["rules"]]


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def no_error(error: BaseException) -> None:
    raise error


def no_outputs() -> ChannelOutputs:
    raise AssertionError("nothing is opened here")


def utc_now() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


def of_control() -> Exporter:
    exporter = Exporter(fleet=tuple, streams=tuple)
    exporter.add(AlertMetrics(active=tuple, channels=tuple))
    exporter.add(CertificateMetrics(tuple))
    exporter.add(PerformanceMetrics(dict))
    exporter.add(HealthClocks(encoder_at=lambda peer: None, bus=Bus(no_error)))
    exporter.count_request("an_operation", 200, 0.1)
    return exporter


def exported() -> dict[str, frozenset[str]]:
    """Every metric of control and gateway with its labels, without the endings of its series."""
    gateway = Gateway(tell=lambda fact: None, monotonic=lambda: 0.0, utc_now=utc_now, make_outputs=no_outputs)
    rounds = ContentRounds(
        channels=list,
        sampler=SamplingChild((), monotonic=lambda: 0.0),
        tell=lambda fact: None,
        monotonic=lambda: 0.0,
        utc_now=utc_now,
    )
    # What has no sample yet has no labels in the text: so the registry is asked, not the text.
    found = [*of_control().families(), *GatewayCollector(gateway).collect(), *ContentCollector(rounds).collect()]
    return {metric.name: labels_of(metric) for metric in found}


def labels_of(metric: Metric) -> frozenset[str]:
    named = getattr(metric, "_labelnames", ())
    return frozenset(named) | {label for sample in metric.samples for label in sample.labels}


def family(name: str, known: Iterable[str]) -> str | None:
    names = [name, *(name.removesuffix(end) for end in _OF_SERIES)]
    return next((one for one in names if one in known), None)


def test_the_tools_of_prometheus_accept_what_is_shipped() -> None:
    promtool = program("promtool", package="prometheus")
    run(promtool, "check", "rules", *map(str, RULES))
    run(promtool, "check", "config", "--syntax-only", "prometheus/prometheus.yml")


def test_the_tool_of_alertmanager_accepts_what_is_shipped() -> None:
    amtool = program("amtool", package="prometheus-alertmanager")
    run(amtool, "check-config", "alertmanager/alertmanager.yml")


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (("severity=critical", "source=encoder-manager"), "telegram,email"),
        (("severity=warning", "source=encoder-manager"), "email"),
        (("severity=info", "source=encoder-manager"), "email"),
        (("severity=critical", "source=prometheus"), "control,telegram,email"),
        (("severity=warning", "source=prometheus"), "control,email"),
        (("severity=info", "source=prometheus", "alertname=Watchdog"), "deadman"),
    ],
)
def test_what_is_critical_goes_to_telegram_and_everything_by_mail(labels: tuple[str, ...], receivers: str) -> None:
    amtool = program("amtool", package="prometheus-alertmanager")
    config = "--config.file=alertmanager/alertmanager.yml"
    run(amtool, "config", "routes", "test", config, f"--verify.receivers={receivers}", *labels)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_fire_and_keep_quiet_as_declared(path: Path) -> None:
    run(program("promtool", package="prometheus"), "test", "rules", str(path))


def test_every_rule_is_proved_quiet_and_loud() -> None:
    cases = [case for file in loaded(TESTS) for test in file["tests"] for case in test["alert_rule_test"]]
    loud = {case["alertname"] for case in cases if case["exp_alerts"]}
    quiet = {case["alertname"] for case in cases if not case["exp_alerts"]}
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) >= 30
    assert loud == set(names)
    assert quiet == set(names) - {NEVER_QUIET}


def test_every_metric_and_label_that_a_rule_names_is_exported() -> None:
    known = exported()
    for rule in rules():
        names = set(re.findall(r"\bencman_[a-z_]+", rule["expr"]))
        assert names or rule["alert"] in (NEVER_QUIET, "ControlDown", "GatewayDown")
        labels: frozenset[str] = frozenset({"instance", "job"})
        for name in names:
            found = family(name, known)
            assert found is not None, f"{rule['alert']}: nothing exports {name}"
            labels |= known[found]
        asked = set(re.findall(r"(?:[{,]\s*)([a-z_]+)\s*(?:=|!=)", rule["expr"]))
        for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", rule["expr"]):
            asked |= set(group.replace(",", " ").split())
        asked |= set(re.findall(r"\$labels\.([a-z_]+)", str(rule)))
        assert asked <= labels, f"{rule['alert']}: no metric of it has {asked - labels}"


def test_rules_speak_in_the_words_of_the_manager() -> None:
    for rule in rules():
        labels = rule["labels"]
        assert labels["source"] == "prometheus"
        assert Severity(labels["severity"])
        assert Category(labels["category"])
        assert {"kind", "subject"} <= set(labels)
        assert labels.get("echo") in (None, "subject", "category")
        assert rule["annotations"]["summary"]


def test_every_category_has_a_rule() -> None:
    assert {rule["labels"]["category"] for rule in rules()} == {category.value for category in Category}


def test_the_manual_lists_every_rule_and_no_other() -> None:
    section = MANUAL.partition("## The rules")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \|", section, re.MULTILINE)
    shipped = [(rule["alert"], rule["labels"]["severity"], rule["labels"]["category"]) for rule in rules()]
    assert sorted(listed) == sorted(shipped)


def test_the_manual_says_type_and_labels_of_every_metric_of_control() -> None:
    section = MANUAL.partition("## Metrics of control")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(encman_\w+)` \| (\w+) \| ([^|]*) \|", section, re.MULTILINE)
    listed = {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    ours = [metric for metric in of_control().families() if metric.name.startswith("encman_")]
    assert set(listed) == {written(metric) for metric in ours}
    for metric in ours:
        kind, labels = listed[written(metric)]
        assert kind == metric.type
        # Prometheus' client tells no labels of what it counts itself until it has counted.
        if metric.samples or hasattr(metric, "_labelnames"):
            assert labels == labels_of(metric) - {"le"}


def written(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name

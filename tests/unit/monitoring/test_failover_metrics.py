from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.drill import DrillKind, DrillOutcome
from app.domain.events import StreamFailedOver
from app.domain.failover import DecidedBy, SwitchKind, SwitchReport
from app.domain.ids import StreamId
from app.domain.session import StreamHealth, StreamRequest
from app.domain.stream import StandbyGrade
from app.monitoring.alert_metrics import AlertMetrics
from app.monitoring.exporter import Exporter
from app.monitoring.failover_metrics import cause_class
from tests.unit.api import fleet
from tests.unit.monitoring.test_exporter import OWNER, values

STREAM = StreamId("str_1")
DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text()


def exporter_of(*healths: StreamHealth) -> Exporter:
    return Exporter(fleet=fleet.Encoders(fleet.Streams()).list, streams=lambda: healths)


def told(*reports: SwitchReport) -> Exporter:
    exporter = exporter_of()
    for report in reports:
        exporter.hear(StreamFailedOver(report.stream_id, "acme", report))
    return exporter


async def test_times_of_a_switch_are_counted_by_kind_and_grade() -> None:
    report = fleet.report_of(STREAM, 2)
    now = await values(told(report, replace(report, generation=3, stall_ms=1200.0)))
    labels = ("reflex", "warm")
    assert now["encman_failover_stall_seconds_count", labels] == 2
    assert now["encman_failover_stall_seconds_sum", labels] == pytest.approx(1.39)
    assert now["encman_failover_stall_seconds_bucket", ("0.2", *labels)] == 1
    assert now["encman_failover_detection_seconds_count", labels] == 2
    assert now["encman_failover_first_frame_seconds_count", labels] == 2


async def test_what_was_not_measured_is_not_counted_as_zero() -> None:
    report = replace(fleet.report_of(STREAM, 2, missing=None), kind=SwitchKind.PLANNED, detected_ms=None)
    now = await values(told(report))
    assert ("encman_failover_detection_seconds_count", ("planned", "warm")) not in now
    assert now["encman_failover_frames_missing_total", ("planned",)] == 0
    assert now["encman_failover_uncounted_total", ("planned",)] == 1


async def test_the_first_loss_of_a_kind_is_an_increase() -> None:
    now = await values(told())
    for kind in SwitchKind:
        assert now["encman_failover_frames_missing_total", (kind.value,)] == 0
        assert now["encman_failover_uncounted_total", (kind.value,)] == 0


async def test_lost_and_doubled_frames_are_counted() -> None:
    now = await values(told(fleet.report_of(STREAM, 2, missing=7), fleet.report_of(STREAM, 3)))
    assert now["encman_failover_frames_missing_total", ("reflex",)] == 7
    assert now["encman_failover_frames_doubled_total", ("reflex",)] == 0
    assert now["encman_failover_switches_total", ("connection", "reflex")] == 2


@pytest.mark.parametrize(
    ("cause", "decided_by", "name"),
    [
        ("connection closed", DecidedBy.GATEWAY, "connection"),
        ("encoder connection lost", DecidedBy.GATEWAY, "connection"),
        ("stalled", DecidedBy.GATEWAY, "stall"),
        ("too hot", DecidedBy.CONTROL, "heat"),
        ("92 °C, above 90 °C for 5 s", DecidedBy.CONTROL, "heat"),
        ("a is to be left for heat: cool-down ordered: 40% is left to it", DecidedBy.CONTROL, "heat"),
        ("enc_a is offline: link lost", DecidedBy.CONTROL, "connection"),
        ("picture changed", DecidedBy.CONTROL, "change"),
        ("connection closed", DecidedBy.DRILL, "drill"),
        ("draining", DecidedBy.OPERATOR, "operator"),
        ("something nobody thought of <script>", DecidedBy.CONTROL, "other"),
    ],
)
def test_causes_become_one_of_few_words(cause: str, decided_by: DecidedBy, name: str) -> None:
    assert cause_class(replace(fleet.report_of(STREAM, 2), cause=cause, decided_by=decided_by)) == name


async def test_unprotected_streams_and_drills_are_shown() -> None:
    streams = fleet.Streams()
    record = (await streams.open(StreamRequest(1280, 720, 3_000_000, 30.0), OWNER)).record
    bare = fleet.health_of(record)
    at = bare.at - timedelta(seconds=90)
    safe = replace(
        bare, protected=True, readiness=1.0, stream_id=STREAM, last_drill=DrillOutcome(at, DrillKind.KILL)
    )
    failed = replace(
        safe, stream_id=StreamId("str_2"), last_drill=DrillOutcome(at, DrillKind.KILL, "1 frame missing")
    )
    passed_through = replace(bare, standby=None, stream_id=StreamId("str_3"))
    now = await values(exporter_of(bare, safe, failed, passed_through))
    assert now["encman_streams_unprotected", (StandbyGrade.WARM,)] == 1
    assert now["encman_stream_drill_age_seconds", (STREAM,)] == 90
    assert now["encman_stream_drill_passed", (STREAM,)] == 1
    assert now["encman_stream_readiness", (STREAM,)] == 1
    assert ("encman_stream_readiness", ("str_3",)) not in now
    assert now["encman_stream_drill_passed", ("str_2",)] == 0


async def test_every_metric_that_the_documents_name_is_exported() -> None:
    of_control = DOCUMENT[: DOCUMENT.index("### Metrics of a gateway")]
    named = set(re.findall(r"`(encman_[a-z_]+)`", of_control))
    record = (await fleet.Streams().open(StreamRequest(1280, 720, 3_000_000, 30.0), OWNER)).record
    drilled = replace(fleet.health_of(record), last_drill=DrillOutcome(fleet.T0, DrillKind.KILL))
    exporter = exporter_of(drilled)
    exporter.add(AlertMetrics(active=tuple, channels=tuple))
    exported = set(re.findall(r"^# TYPE (\S+)", exporter.text().decode(), re.MULTILINE))
    assert len(named) > 5
    assert named <= exported

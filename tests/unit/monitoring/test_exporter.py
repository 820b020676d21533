from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.access import Principal, Scope
from app.domain.encoder import EncoderState
from app.domain.events import StreamErrorSeen, WorkerReplaced
from app.domain.ids import EncoderId, KeyId, StreamId
from app.domain.session import StreamRequest
from app.domain.severity import Severity
from app.monitoring.exporter import Exporter
from tests.unit.api import fleet

OWNER = Principal(KeyId("key"), "acme", frozenset({Scope.STREAMS}))


async def values(exporter: Exporter) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(exporter.text().decode())
    return {(s.name, tuple(sorted(s.labels.values()))): s.value for family in families for s in family.samples}


async def test_gauges_show_the_present_picture_and_a_streams_series_end_with_it() -> None:
    streams = fleet.Streams()
    encoders = fleet.Encoders(streams)
    exporter = Exporter(fleet=encoders.list, streams=lambda: streams.all_health(OWNER))
    opened = await streams.open(StreamRequest(1280, 720, 3_000_000, 30.0), OWNER)
    stream = (opened.record.stream_id,)
    now = await values(exporter)
    assert now["encman_encoder_cpu_ratio", ("enc_a",)] == pytest.approx(0.415)
    assert ("encman_encoder_temperature_celsius", ("enc_a",)) not in now
    assert now["encman_stream_bitrate_bps", stream] == 5_000_000
    assert now["encman_streams", ("waiting",)] == 1
    await streams.end(opened.record.stream_id, OWNER)
    now = await values(exporter)
    assert ("encman_stream_bitrate_bps", stream) not in now
    assert now["encman_streams", ("waiting",)] == 0


async def test_a_control_says_whether_it_leads() -> None:
    exporter = Exporter(fleet=tuple, streams=tuple, leads=lambda: False)
    assert (await values(exporter))["encman_control_leads", ()] == 0
    assert (await values(Exporter(fleet=tuple, streams=tuple)))["encman_control_leads", ()] == 1


async def test_the_first_error_is_an_increase_and_daily_drills_are_said() -> None:
    now = await values(Exporter(fleet=tuple, streams=tuple, drills_daily=True))
    assert [now["encman_stream_errors_total", (severity.value,)] for severity in Severity] == [0, 0, 0]
    assert now["encman_drills_daily", ()] == 1
    assert (await values(Exporter(fleet=tuple, streams=tuple)))["encman_drills_daily", ()] == 0


async def test_an_encoder_is_up_unless_it_is_offline() -> None:
    (view,) = fleet.Encoders(fleet.Streams()).list()[:1]
    states = (EncoderState.ONLINE, EncoderState.SUSPECT, EncoderState.DRAINING, EncoderState.OFFLINE)
    for state in states:
        now = await values(Exporter(fleet=lambda state=state: (replace(view, state=state),), streams=tuple))
        assert now["encman_encoder_up", ("enc_a",)] == float(state is not EncoderState.OFFLINE)


async def test_counters_follow_what_is_told() -> None:
    streams = fleet.Streams()
    exporter = Exporter(fleet=fleet.Encoders(streams).list, streams=lambda: streams.all_health(OWNER))
    name = StreamId("str_1")
    exporter.hear(WorkerReplaced(name, "acme", EncoderId("a"), EncoderId("b"), 2, "exited", fleet.T0))
    exporter.hear(StreamErrorSeen(name, "acme", Severity.WARNING, "slow", "falls behind", fleet.T0))
    exporter.count_request("init_stream", 201, 0.004)
    now = await values(exporter)
    assert now["encman_failover_total", ("replaced",)] == 1
    assert now["encman_stream_errors_total", ("warning",)] == 1
    assert now["encman_http_request_seconds_bucket", ("0.005", "201", "init_stream")] == 1

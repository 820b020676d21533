"""What happens in the system becomes conditions with the labels that lead to causes, told in time and ended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from app.domain.condition import RETOLD_S, Condition
from app.domain.drill import DrillKind, DrillOutcome
from app.domain.encoder import Capabilities, EncoderInfo, EncoderKind, EncoderReading, EncoderState
from app.domain.errors import Unavailable
from app.domain.events import (
    EncoderChanged,
    EncoderRead,
    StreamChanged,
    StreamDrilled,
    StreamErrorSeen,
    StreamFailedOver,
    StreamHealthRead,
)
from app.domain.failover import DecidedBy, SwitchKind, SwitchReport
from app.domain.ids import DestinationId, EncoderId, GatewayId, HostId, NodeId, StreamId, WorkerId
from app.domain.link import ChannelReading, DestinationReading
from app.domain.session import StandbyHealth, StandbyState, StreamHealth
from app.domain.severity import Severity
from app.domain.stream import StandbyGrade, StreamState
from app.monitoring import conditions as module
from app.monitoring.conditions import Conditions, Surroundings
from tests.support.alerts import T0

ENCODER, STREAM = EncoderId("enc_a"), StreamId("str_1")
INFO = EncoderInfo(
    encoder_id=ENCODER,
    node_id=NodeId("node_a"),
    host_id=HostId("host_a"),
    kind=EncoderKind.SOFTWARE,
    name="a",
    capabilities=Capabilities(None, 8, 1, (), (), 8, 1e9, "1"),
    rack="r1",
)


class Watch:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[Condition] = []
        self.ejected: list[tuple[EncoderId, str]] = []
        self.known: dict[EncoderId, EncoderInfo] = {ENCODER: INFO}
        self.away = False
        self.streams = {STREAM}
        self.now = 1_000.0
        monkeypatch.setattr(module, "monotonic", lambda: self.now)
        around = Surroundings(
            encoder=self.known.get,
            ejected=lambda: self.ejected,
            gateway_of=lambda _: GatewayId("gw_1"),
            has_stream=lambda stream_id: stream_id in self.streams,
            ping=self._ping,
        )
        self.conditions = Conditions(around=around, tell=self.told.append)

    async def _ping(self) -> None:
        if self.away:
            raise Unavailable("the database: away")

    def hear(self, *events: Any) -> list[tuple[str, bool]]:
        self.told.clear()
        for event in events:
            self.conditions.hear(event)
        return self.news()

    async def look(self, after_s: float = 5.0) -> list[tuple[str, bool]]:
        self.told.clear()
        self.now += after_s
        await self.conditions.look()
        return self.news()

    def news(self) -> list[tuple[str, bool]]:
        return [(one.name, one.is_active) for one in self.told]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


def changed(state: EncoderState) -> EncoderChanged:
    return EncoderChanged(ENCODER, state, T0, "no heartbeat")


def read(**figures: float) -> EncoderRead:
    return EncoderRead(ENCODER, EncoderReading(**figures), T0)


def health(
    state: StreamState = StreamState.LIVE,
    *,
    protected: bool = True,
    bitrate: float | None = 5e6,
    destinations: Iterable[str] = (),
) -> StreamHealthRead:
    channel = ChannelReading(
        stream_id=STREAM,
        at=T0,
        source_up=True,
        source_bps=None,
        source_fps=None,
        source_frames=0,
        source_gaps=0,
        ring_bytes=0,
        ring_s=0.0,
        tracks=(),
        viewers=0,
        viewer_frames_dropped=0,
        programme_lag_ms=None,
        destinations=tuple(
            DestinationReading(DestinationId(f"d{number}"), word, None, 0, 0)
            for number, word in enumerate(destinations)
        ),
    )
    return StreamHealthRead(
        "acme",
        StreamHealth(
            stream_id=STREAM,
            state=state,
            at=T0,
            score=None,
            reasons=(),
            protected=protected,
            primary_id=ENCODER,
            backup_id=None,
            generation=1,
            cpu_usage=None,
            dropped_frames=None,
            bitrate=bitrate,
            source=None,
            channel=channel,
            standby=StandbyHealth(StandbyGrade.WARM, StandbyState.NONE),
        ),
    )


def report(kind: SwitchKind = SwitchKind.REFLEX, by: DecidedBy = DecidedBy.GATEWAY) -> StreamFailedOver:
    switch = SwitchReport(
        stream_id=STREAM,
        generation=2,
        from_generation=1,
        from_worker_id=None,
        to_worker_id=WorkerId("w2"),
        from_encoder_id=ENCODER,
        to_encoder_id=EncoderId("enc_b"),
        kind=kind,
        grade=StandbyGrade.WARM,
        cause="connection closed",
        evidence="",
        decided_by=by,
        at=T0,
        proved=True,
        detected_ms=1.0,
        decided_ms=1.0,
        first_frame_ms=1.0,
        stall_ms=1.0,
        catch_up_ms=1.0,
    )
    return StreamFailedOver(STREAM, "acme", switch)


def test_an_encoder_that_is_gone_is_told_with_where_it_stands(watch: Watch) -> None:
    assert watch.hear(changed(EncoderState.SUSPECT)) == []
    assert watch.hear(changed(EncoderState.OFFLINE), changed(EncoderState.OFFLINE)) == [("encoder_offline", True)]
    assert watch.told[0].labels == (("encoder", "enc_a"), ("host", "host_a"), ("rack", "r1"))
    assert watch.hear(changed(EncoderState.STOPPED)) == [("encoder_offline", False)]
    assert watch.hear(changed(EncoderState.ONLINE)) == []


def test_a_figure_at_its_limit_is_told_once_and_ends_a_little_below(watch: Watch) -> None:
    assert watch.hear(read(cpu_percent=84.9, memory_percent=89.9, disk_percent=89.9)) == []
    assert watch.hear(read(cpu_percent=85.0)) == [("cpu_high", True)]
    assert watch.hear(*[read(cpu_percent=value) for value in (84.0, 86.0, 80.0)]) == []
    assert watch.hear(read()) == []
    assert watch.hear(read(cpu_percent=79.9)) == [("cpu_high", False)]
    assert watch.hear(read(memory_percent=90.0, disk_percent=90.0)) == [
        ("memory_high", True),
        ("storage_high", True),
    ]
    assert watch.hear(read(disk_percent=97.0)) == [("storage_high", True)]
    assert watch.told[0].severity is Severity.CRITICAL


def test_a_stream_that_stands_still_or_has_no_backup_is_told(watch: Watch) -> None:
    assert watch.hear(health()) == []
    assert watch.hear(health(StreamState.DEGRADED)) == [("stream_degraded", True)]
    assert watch.hear(health(protected=False)) == [("stream_degraded", False), ("stream_unprotected", True)]
    assert ("gateway", "gw_1") in watch.told[1].labels
    assert watch.hear(health(StreamState.WAITING, protected=False)) == [("stream_unprotected", False)]


def test_a_stream_without_an_encoder_has_failed_until_it_is_live_again(watch: Watch) -> None:
    failed = StreamErrorSeen(STREAM, "acme", Severity.CRITICAL, "no encoder", "none has room", T0)
    warned = StreamErrorSeen(STREAM, "acme", Severity.WARNING, "backup lost", "gone", T0)
    assert watch.hear(warned, failed) == [("stream_failed", True)]
    assert watch.hear(health(StreamState.STARTING)) == []
    assert watch.hear(health()) == [("stream_failed", False)]


def test_what_ended_is_in_no_trouble(watch: Watch) -> None:
    watch.hear(health(StreamState.DEGRADED, destinations=["refused"]))
    ended = watch.hear(StreamChanged(STREAM, "acme", StreamState.ENDED, T0))
    assert sorted(ended) == [("destination_refused", False), ("stream_degraded", False)]


async def test_what_is_told_of_a_stream_after_its_end_is_over_soon(watch: Watch) -> None:
    watch.hear(StreamChanged(STREAM, "acme", StreamState.ENDED, T0))
    watch.streams.clear()
    outcome = DrillOutcome(T0, DrillKind.KILL, "the stream ended")
    assert watch.hear(StreamDrilled(STREAM, "acme", outcome)) == [("drill_failed", True)]
    assert await watch.look() == [("drill_failed", False)]


def test_a_stream_that_waits_with_an_encoder_and_a_backup_again_has_failed_no_more(watch: Watch) -> None:
    failed = StreamErrorSeen(STREAM, "acme", Severity.CRITICAL, "no encoder", "none has room", T0)
    assert watch.hear(failed, health(StreamState.WAITING, protected=False)) == [("stream_failed", True)]
    assert watch.hear(health(StreamState.WAITING)) == [("stream_failed", False)]


def test_destinations_that_refuse_are_told_by_their_number(watch: Watch) -> None:
    assert watch.hear(health(destinations=["live", "connecting"])) == []
    assert watch.hear(health(destinations=["live", "refused", "backing_off"])) == [("destination_refused", True)]
    assert "2 of 3" in watch.told[0].summary


async def test_a_failover_is_told_and_over_by_itself_and_a_drill_is_none(watch: Watch) -> None:
    assert watch.hear(report(by=DecidedBy.DRILL), report(SwitchKind.PLANNED, DecidedBy.CONTROL)) == []
    assert watch.hear(report()) == [("stream_failed_over", True)]
    assert await watch.look(module.HAPPENED_S + 1) == [("stream_failed_over", False)]


def test_a_drill_that_failed_is_told_until_one_is_passed(watch: Watch) -> None:
    def drilled(fault: str | None) -> StreamDrilled:
        return StreamDrilled(STREAM, "acme", DrillOutcome(T0 + timedelta(seconds=1), DrillKind.KILL, fault))

    assert watch.hear(drilled("frames were lost")) == [("drill_failed", True)]
    assert watch.hear(drilled(None)) == [("drill_failed", False)]


async def test_what_lasts_is_told_again_in_time(watch: Watch) -> None:
    watch.hear(changed(EncoderState.OFFLINE))
    heard = 0
    for _ in range(int(120 / module.BEAT_S)):
        heard += len(await watch.look(module.BEAT_S))
    assert heard >= 120 / RETOLD_S


async def test_one_that_is_ejected_or_forgotten_is_told_of_and_ended(watch: Watch) -> None:
    watch.ejected = [(ENCODER, "3 lost workers")]
    assert await watch.look() == [("encoder_ejected", True)]
    watch.ejected = []
    assert await watch.look() == [("encoder_ejected", False)]
    watch.hear(changed(EncoderState.OFFLINE))
    watch.known.clear()
    assert await watch.look() == [("encoder_offline", False)]


async def test_a_store_that_is_away_is_told(watch: Watch) -> None:
    assert await watch.look() == []
    watch.away = True
    assert await watch.look() == [("store_away", True)]
    watch.away = False
    assert await watch.look() == [("store_away", False)]

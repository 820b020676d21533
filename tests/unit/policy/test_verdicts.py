"""Presence, health, state and life: small verdicts, at their borders."""

from __future__ import annotations

import dataclasses

import pytest

from app.domain.encoder import EncoderState
from app.domain.fleet import OperatorWish
from app.domain.stream import StreamState
from app.policy import encoder_presence, stream_life, stream_state
from app.policy.health_score import Measures, score
from app.policy.stream_state import Signs


@pytest.mark.parametrize(
    ("silent_s", "link_up", "wish", "state"),
    [
        (0.0, True, OperatorWish.ACTIVE, EncoderState.ONLINE),
        (1.49, True, OperatorWish.ACTIVE, EncoderState.ONLINE),
        (1.5, True, OperatorWish.ACTIVE, EncoderState.SUSPECT),
        (0.0, False, OperatorWish.ACTIVE, EncoderState.SUSPECT),
        (3.0, True, OperatorWish.ACTIVE, EncoderState.OFFLINE),
        (3.0, False, OperatorWish.DRAINING, EncoderState.OFFLINE),
        (0.0, True, OperatorWish.DRAINING, EncoderState.DRAINING),
        (0.0, True, OperatorWish.STOPPED, EncoderState.STOPPED),
    ],
)
def test_presence(silent_s: float, link_up: bool, wish: OperatorWish, state: EncoderState) -> None:
    verdict = encoder_presence.judge(last_heard=100.0, link_up=link_up, wish=wish, now=100.0 + silent_s)
    assert verdict.state is state
    assert (verdict.reason is None) == (state is EncoderState.ONLINE)


@pytest.mark.parametrize(
    ("silent_s", "state"),
    [
        (4.9, EncoderState.ONLINE),
        (5.0, EncoderState.SUSPECT),
        (9.9, EncoderState.SUSPECT),
        (10.0, EncoderState.OFFLINE),
    ],
)
def test_a_device_that_is_asked_may_take_longer_to_answer(silent_s: float, state: EncoderState) -> None:
    verdict = encoder_presence.judge(
        last_heard=100.0, link_up=True, wish=OperatorWish.ACTIVE, now=100.0 + silent_s, is_device=True
    )
    assert verdict.state is state


ALL_WELL = Measures(10.0, 10.0, 40.0, 0, 0.0, 10.0)


@pytest.mark.parametrize(
    ("measures", "overall"),
    [
        (ALL_WELL, 100.0),
        (dataclasses.replace(ALL_WELL, cpu_percent=80.0), 100.0),
        (dataclasses.replace(ALL_WELL, cpu_percent=80.1), 92.0),
        (dataclasses.replace(ALL_WELL, memory_percent=85.1), 92.0),
        (dataclasses.replace(ALL_WELL, temperature_c=75.1), 88.0),
        (dataclasses.replace(ALL_WELL, dropped_frames=101), 90.0),
        (dataclasses.replace(ALL_WELL, bitrate_variance=0.21), 90.0),
        (dataclasses.replace(ALL_WELL, storage_percent=90.1), 94.0),
        (Measures(99.0, 99.0, 99.0, 999, 9.0, 99.0), 46.0),
    ],
)
def test_the_score_is_the_contracts(measures: Measures, overall: float) -> None:
    assert score(measures).overall == overall


def test_what_is_unknown_is_said_and_is_never_zero() -> None:
    nothing = score(Measures())
    assert nothing.overall is None
    assert len(nothing.reasons) == 6
    only_cpu = score(Measures(cpu_percent=99.0))
    assert (only_cpu.overall, only_cpu.system, only_cpu.stream) == (80.0, 80.0, None)
    assert only_cpu.reasons[0] == "machine's CPU at 99 %, above 80 %"
    assert "temperature unknown" in only_cpu.reasons


def test_reasons_are_in_percent_and_say_whose_figure_it_is() -> None:
    reasons = score(dataclasses.replace(ALL_WELL, bitrate_variance=0.3783, memory_percent=91.0)).reasons
    assert reasons == ("machine's memory at 91 %, above 85 %", "variation of the bit rate at 37.83 %, above 20 %")


LIVE = Signs(10.0, True, 99.5, 99.5, 50.0, 99.5, None)


@pytest.mark.parametrize(
    ("signs", "state"),
    [
        (LIVE, StreamState.LIVE),
        (dataclasses.replace(LIVE, source_since=None), StreamState.WAITING),
        (dataclasses.replace(LIVE, source_since=None, without_encoder="x"), StreamState.WAITING),
        (dataclasses.replace(LIVE, without_encoder="no encoder"), StreamState.LIVE),
        (dataclasses.replace(LIVE, without_encoder="no encoder", progress_at=96.0), StreamState.DEGRADED),
        (dataclasses.replace(LIVE, without_encoder="no encoder", progress_at=None), StreamState.DEGRADED),
        (dataclasses.replace(LIVE, heard_at=94.9), StreamState.DEGRADED),
        (dataclasses.replace(LIVE, source_since=99.0, programme_seen=False), StreamState.STARTING),
        (dataclasses.replace(LIVE, source_since=80.0, programme_seen=False), StreamState.DEGRADED),
        (Signs(80.0, False, None, 50.0, None, 99.5, None), StreamState.STARTING),
        (dataclasses.replace(LIVE, progress_at=97.0), StreamState.DEGRADED),
        (dataclasses.replace(LIVE, progress_at=97.0, source_progress_at=97.0), StreamState.LIVE),
        (dataclasses.replace(LIVE, lag_ms=10_001.0), StreamState.DEGRADED),
    ],
)  # fmt: skip
def test_the_state_of_a_stream(signs: Signs, state: StreamState) -> None:
    assert stream_state.judge(signs, 100.0).state is state


def test_only_fresh_progress_of_a_running_source_proves_the_programme_alive() -> None:
    assert stream_state.programme_moves(LIVE, 100.0)
    assert not stream_state.programme_moves(LIVE, 104.0)
    assert not stream_state.programme_moves(dataclasses.replace(LIVE, source_since=None), 100.0)


@pytest.mark.parametrize(
    ("signs", "stuck"),
    [
        (LIVE, False),
        (dataclasses.replace(LIVE, progress_at=89.9), True),
        (dataclasses.replace(LIVE, progress_at=90.1), False),
        (dataclasses.replace(LIVE, progress_at=None, source_since=89.9), True),
        (dataclasses.replace(LIVE, progress_at=80.0, source_since=95.0), False),
        (dataclasses.replace(LIVE, progress_at=80.0, source_progress_at=80.0), False),
        (dataclasses.replace(LIVE, progress_at=80.0, source_since=None), False),
    ],
)
def test_only_a_running_source_without_programme_for_long_is_stuck(signs: Signs, stuck: bool) -> None:
    assert stream_state.is_stuck(signs, 100.0) is stuck


OPENED = stream_life.Life(0.0, 3600.0, published=False, source_up=False)
PUBLISHED = dataclasses.replace(OPENED, published=True)


@pytest.mark.parametrize(
    ("life", "waited_s", "key_left_s", "ends"),
    [
        (OPENED, 899.0, 1.0, False),
        (OPENED, 900.0, 1.0, True),
        (OPENED, 0.0, 0.0, True),
        (PUBLISHED, 1e6, 1.0, False),
        (PUBLISHED, 1e6, 0.0, True),
        (PUBLISHED, 1e9, None, False),
        (dataclasses.replace(PUBLISHED, source_up=True), 1e6, -1e6, False),
    ],
)
def test_when_a_stream_ends_by_itself(
    life: stream_life.Life, waited_s: float, key_left_s: float | None, ends: bool
) -> None:
    now = dataclasses.replace(life, waited_s=waited_s, key_left_s=key_left_s)
    assert (stream_life.judge(now) is not None) is ends

"""Frame rate, bitrate, sound against picture, timestamps: from counts alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from app.domain.content import Fault, Side
from app.policy.flow_watch import JUMP_HOLD_S, FlowReading, FlowWatch

WELL = FlowReading(
    0.0,
    source_fps=30.0,
    programme_fps=30.0,
    due_fps=30.0,
    programme_bps=4e6,
    source_bps=6e6,
    source_apart_ms=10.0,
    programme_apart_ms=-300.0,
)


class Stream:
    def __init__(self) -> None:
        self.watch = FlowWatch()
        self.now_s = 0.0
        self.active: set[tuple[Fault, Side]] = set()
        self.details: list[str] = []

    def plays(self, for_s: int, change: Callable[[FlowReading, int], FlowReading] = lambda r, n: r) -> Stream:
        for number in range(for_s):
            self.now_s += 1.0
            found = self.watch.judge(change(replace(WELL, now_s=self.now_s), number))
            self.active = {(finding.fault, finding.side) for finding in found}
            self.details = [finding.detail for finding in found]
        return self


def test_a_stream_that_is_well_has_no_findings() -> None:
    assert Stream().plays(120).active == set()


def test_an_encoder_that_gives_fewer_frames_than_the_source_is_told_and_one_odd_second_is_not() -> None:
    stream = Stream().plays(20)
    stream.plays(1, lambda r, n: replace(r, programme_fps=5.0)).plays(5)
    assert stream.active == set()
    stream.plays(6, lambda r, n: replace(r, programme_fps=20.0))
    assert stream.active == {(Fault.LOW_FRAME_RATE, Side.ENCODER)}
    stream.plays(7)
    assert stream.active == set()


def test_a_rendition_of_fewer_frames_is_no_fault() -> None:
    assert Stream().plays(60, lambda r, n: replace(r, programme_fps=15.0, due_fps=15.0)).active == set()


def test_a_source_that_becomes_slow_is_the_source_s_and_its_encoder_is_not_blamed() -> None:
    stream = Stream().plays(30)
    stream.plays(20, lambda r, n: replace(r, source_fps=12.0, programme_fps=12.0))
    assert stream.active == {(Fault.LOW_FRAME_RATE, Side.SOURCE)}
    stream.plays(100, lambda r, n: replace(r, source_fps=12.0, programme_fps=12.0))
    assert stream.active == {(Fault.LOW_FRAME_RATE, Side.SOURCE)}


def test_a_bitrate_that_swings_is_told_and_one_that_follows_its_source_is_the_source_s() -> None:
    swings = (0.2, 2.4)
    own = Stream().plays(40, lambda r, n: replace(r, programme_bps=4e6 * swings[n % 2]))
    assert own.active == {(Fault.BITRATE_VARIANCE, Side.ENCODER)}
    assert "the bitrate swings by 85% of its mean" in own.details[0]
    both = Stream().plays(
        40, lambda r, n: replace(r, programme_bps=4e6 * swings[n % 2], source_bps=6e6 * swings[n % 2])
    )
    assert both.active == {(Fault.BITRATE_VARIANCE, Side.SOURCE)}


def test_sound_that_falls_behind_is_told_with_its_side() -> None:
    source = Stream().plays(20)
    late = 10.0
    source.plays(20, lambda r, n: replace(r, source_apart_ms=late + 400.0, programme_apart_ms=-300.0 + 400.0))
    assert source.active == {(Fault.AV_DRIFT, Side.SOURCE)}
    encoder = Stream().plays(20)
    encoder.plays(20, lambda r, n: replace(r, programme_apart_ms=-1_200.0))
    assert encoder.active == set()
    encoder.plays(20, lambda r, n: replace(r, programme_apart_ms=-1_500.0))
    assert encoder.active == {(Fault.AV_DRIFT, Side.ENCODER)}


def test_tracks_that_keep_their_distance_are_no_drift() -> None:
    assert Stream().plays(60, lambda r, n: replace(r, source_apart_ms=900.0)).active == set()


def test_a_jump_is_told_for_a_while_and_then_forgotten() -> None:
    stream = Stream().plays(5).plays(3, lambda r, n: replace(r, source_jumps=1))
    assert stream.active == {(Fault.TIMESTAMP_JUMP, Side.SOURCE)}
    stream.plays(int(JUMP_HOLD_S) + 1, lambda r, n: replace(r, source_jumps=1))
    assert stream.active == set()


def test_jumps_of_before_it_was_watched_are_no_news() -> None:
    assert Stream().plays(5, lambda r, n: replace(r, source_jumps=7, programme_jumps=2)).active == set()


def test_another_publisher_begins_without_a_history() -> None:
    stream = Stream().plays(30)
    stream.watch.begin_source()
    assert stream.plays(20, lambda r, n: replace(r, source_fps=12.0, programme_fps=12.0)).active == set()


def test_sound_that_ends_is_silence_of_whose_it_is_and_no_drift() -> None:
    def losing(reading: FlowReading, number: int) -> FlowReading:
        return replace(reading, programme_apart_ms=-300.0 + 1000.0 * number)

    encoder = Stream().plays(20).plays(10, losing)
    assert (Fault.SILENT_AUDIO, Side.ENCODER) not in encoder.active
    encoder.plays(12, losing)
    assert encoder.active == {(Fault.SILENT_AUDIO, Side.ENCODER)}

    def gone(reading: FlowReading, number: int) -> FlowReading:
        return replace(losing(reading, number), source_apart_ms=1000.0 * number)

    source = Stream().plays(20).plays(12, gone)
    assert source.active == {(Fault.SILENT_AUDIO, Side.SOURCE)}

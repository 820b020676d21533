"""The report of a switch says what a viewer saw: times, missing frames, doubled frames."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from app.domain.failover import DecidedBy, SwitchKind, SwitchReport
from app.domain.ladder import AudioMode, FrameRate
from app.domain.link import SwitchMeasured
from app.media.encoding.grid import FrameGate, Verdict
from app.media.seat_events import Before, TrackBefore
from app.media.switch_report import MEASURE_S, SwitchMeter
from tests.unit.media.stream_parts import AVC_RECORD, at_stamps, video, video_header
from tests.unit.media.worker_parts import FRAME_MS, GOP_MS, LOW, TOP, Hand, Stage, every_frame, plan_of

OTHER_RECORD = bytes((1, 77)) + AVC_RECORD[2:]


def report(stage: Stage) -> SwitchReport:
    [told] = stage.seen(SwitchMeasured)
    return told.report


def take_over(stage: Stage, worker: Hand, begin_ms: int, end_ms: int) -> None:
    """What was missed, each GOP's first frame and the very first as key frames."""
    for stamp in every_frame(begin_ms, end_ms):
        worker.encode(stamp, key=stamp == begin_ms or stamp % GOP_MS == 0)


def test_an_exact_splice_is_told_with_its_times() -> None:
    stage = Stage(plan_of(TOP, LOW, standby=2, audio_mode=AudioMode.AUTO))
    first, second = stage.hire(1), stage.hire(2)
    first.header()
    second.ready()
    stage.play(0, 3_000, first)
    stage.play(3_000, 3_080)
    stage.now_s = 3.06
    first.die()
    stage.now_s = 3.21
    take_over(stage, second, 3_000, 3_080)
    stage.play(3_240, 3_400, second)
    seen = report(stage)
    assert (seen.from_worker_id, seen.to_worker_id) == ("wrk_1", "wrk_2")
    assert (seen.from_encoder_id, seen.to_encoder_id) == ("enc_1", "enc_2")
    assert (seen.from_generation, seen.generation, seen.kind) == (1, 2, SwitchKind.REFLEX)
    assert (seen.detected_ms, seen.decided_ms, seen.first_frame_ms) == (100, 100, 250)
    assert (seen.stall_ms, seen.catch_up_ms) == (250, 250)
    assert seen.proved
    assert seen.complete
    assert not seen.parameters_changed
    assert [(t.name, t.last_ms, t.first_ms, t.missing, t.doubled) for t in seen.tracks] == [
        (name, 2_960, 3_000, 0, 0) for name in ("top", "low", "audio")
    ]
    assert stage.channel.running().reports == (seen,)


def test_frames_that_never_came_are_counted() -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    stage.play(0, 3_000, first)
    stage.play(3_000, 3_200)
    first.die()
    second.header()
    take_over(stage, second, 3_080, 3_200)
    assert [(t.missing, t.doubled) for t in report(stage).tracks] == [(2, 0)]


def test_a_worker_that_does_not_catch_up_in_time_is_told_as_incomplete() -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    stage.play(0, 1_000, first)
    stage.play(1_000, 1_200)
    first.die()
    for stamp in every_frame(1_200, 13_000):
        stage.source(stamp)
        second.encode(1_000 + (stamp - 1_200) // 80 * FRAME_MS, key=stamp == 1_200)
        stage.channel.tick(stage.now_s)
    seen = report(stage)
    assert not seen.complete
    assert seen.catch_up_ms is None
    assert seen.tracks[0].missing == 0


def test_a_replacement_by_control_is_measured_from_the_loss() -> None:
    stage = Stage(plan_of())
    first = stage.hire(1)
    stage.play(0, 1_000, first)
    first.die()
    stage.play(1_000, 3_000)
    stage.channel.apply(plan_of(active=2, revision=2))
    second = stage.hire(2)
    take_over(stage, second, 1_000, 3_000)
    seen = report(stage)
    assert (seen.kind, seen.decided_by, seen.cause) == (
        SwitchKind.REPLACED,
        DecidedBy.CONTROL,
        "connection closed",
    )
    assert (seen.detected_ms, seen.decided_ms) == (0, 2_000)
    assert seen.tracks[0].missing == 0


def test_what_the_ring_has_lost_is_missing() -> None:
    plan = plan_of()
    stage = Stage(dataclasses.replace(plan, timing=dataclasses.replace(plan.timing, ring_max_s=3)))
    first = stage.hire(1)
    stage.play(0, 1_000, first)
    first.die()
    stage.play(1_000, 9_000)
    stage.channel.apply(plan_of(active=2, revision=2))
    second = stage.hire(2)
    take_over(stage, second, 6_000, 9_000)
    assert report(stage).tracks[0].missing == 125


def test_a_second_loss_before_the_first_was_caught_up_ends_its_report() -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    stage.play(0, 1_000, first)
    stage.play(1_000, 1_400)
    first.die()
    second.encode(1_000, key=True)
    stage.channel.apply(plan_of(active=2, standby=3, revision=2))
    third = stage.hire(3)
    second.die()
    take_over(stage, third, 1_040, 1_400)
    one, two = (told.report for told in stage.seen(SwitchMeasured))
    assert (one.generation, one.complete, one.tracks[0].missing) == (2, False, 0)
    assert (two.generation, two.complete, two.tracks[0].missing) == (3, True, 0)


def test_without_a_source_there_is_nothing_to_miss() -> None:
    stage = Stage(plan_of(standby=2))
    first, _ = stage.hire(1), stage.hire(2)
    stage.play(0, 1_000, first)
    stage.channel.leave(stage.publisher, "gone")
    stage.now_s = 5
    first.die()
    stage.now_s += MEASURE_S
    stage.channel.tick(stage.now_s)
    seen = report(stage)
    assert seen.complete
    assert (seen.first_frame_ms, seen.stall_ms, seen.tracks[0].missing) == (None, 0, 0)


def test_other_parameter_sets_are_told() -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    first.header()
    stage.play(0, 1_000, first)
    first.die()
    second.send("top", video_header(OTHER_RECORD))
    stage.source(1_000)
    second.encode(1_000, key=True)
    assert report(stage).parameters_changed


def test_pictures_shown_out_of_order_are_compared_by_when_they_are_shown() -> None:
    meter = meter_of({"top": FrameRate(25)}, last_ms=0)
    for stamp, composition_ms in [(0, 80), (40, 120), (80, 40), (120, 0)]:
        meter.source.add([at_stamps(video(stamp, composition_ms=composition_ms))])
    assert meter.source.pictures == {80, 160, 120}
    meter.passed("top", [80, 120, 160], 1.0, newest_ms=120)
    assert meter.splices()[0].missing == 0


def test_a_track_with_times_of_its_own_is_judged_by_its_cadence() -> None:
    meter = meter_of({"top": FrameRate(25)}, last_ms=0, has_sound=True)
    meter.source.add([at_stamps(*(video(stamp) for stamp in range(0, 400, 40)))])
    meter.passed("audio", [21, 43, 64, 107, 128], 1.0, newest_ms=128)
    assert meter.splices()[1].missing == 1
    assert meter_of({}, last_ms=0, has_sound=True).splices()[0].missing == 0


def meter_of(rates: dict[str, FrameRate], *, last_ms: int | None, has_sound: bool = False) -> SwitchMeter:
    tracks = {name: TrackBefore(last_ms, 0.0, 40.0) for name in (*rates, "audio")}
    return SwitchMeter(Before(None, 1, tracks), rates=rates, interval_ms=GOP_MS, has_sound=has_sound)


@given(
    source_fps=st.sampled_from([24, 25, 30, 50, 60]),
    fps=st.sampled_from([12, 15, 24, 25, 30, 60]),
    cut=st.integers(1, 90),
    lost=st.sets(st.integers(0, 150)),
)
def test_missing_frames_are_counted_for_any_rate_of_source_and_rendition(
    source_fps: int, fps: int, cut: int, lost: set[int]
) -> None:
    times = [round(number * 1000 / source_fps) for number in range(150)]
    last_ms = times[cut]
    meter = meter_of({"top": FrameRate(fps)}, last_ms=last_ms)
    meter.source.add([at_stamps(*(video(ms) for ms in times))])
    gate = FrameGate(FrameRate(fps), GOP_MS, last_ms)
    made = [ms for ms in times if gate.judge(ms) is not Verdict.SKIP]
    passed = [ms for number, ms in enumerate(made) if number not in lost]
    for ms in passed:
        meter.passed("top", [ms], ms / 1000, newest_ms=times[-1])
    if passed:
        assert meter.splices()[0].missing == len([ms for ms in made if ms < passed[-1]]) + 1 - len(passed)
    assert meter.splices()[0].doubled == 0


def test_frames_that_passed_twice_are_counted() -> None:
    meter = meter_of({"top": FrameRate(25)}, last_ms=0)
    meter.source.add([at_stamps(video(40), video(80))])
    meter.passed("top", [40, 80], 1.0, newest_ms=80)
    meter.passed("top", [80], 1.0, newest_ms=80)
    assert meter.splices()[0].doubled == 1

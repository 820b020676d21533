"""A planned switch: both workers run up to a segment border; whoever fails on the way, no frame is lost."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiortmp import MediaMessage, MessageType
from app.domain.errors import Conflict
from app.domain.failover import DecidedBy, SwitchKind
from app.domain.ids import StreamId
from app.domain.ladder import AUDIO_TRACK, AudioMode, FrameRate, Rendition
from app.domain.link import Switched, SwitchMeasured, SwitchStream, WorkerDown
from app.media.planned import PATIENCE_S
from tests.unit.media.stream_parts import AVC_RECORD, Outlet, video_header
from tests.unit.media.worker_parts import FRAME_MS, LOW, TOP, Encoder, Stage, every_frame, plan_of, run

OTHER_RECORD = bytes((1, 77)) + AVC_RECORD[2:]
BORDER_MS = 4_000
MINI = Rendition("mini", 160, 90, FrameRate(25), 200_000)


def order(generation: int = 2, *, at_border: bool = True) -> SwitchStream:
    return SwitchStream(StreamId("str_1"), generation, "too hot", DecidedBy.CONTROL, at_border)


def crossing(
    *, old_lag_ms: int = 0, new_lag_ms: int = 0, audio: AudioMode = AudioMode.AUTO
) -> tuple[Stage, Encoder, Encoder]:
    """Three seconds of a stream with two workers, and an order to switch at 4 s."""
    stage = Stage(plan_of(TOP, LOW, standby=2, audio_mode=audio))
    old = Encoder(stage, stage.hire(1), old_lag_ms)
    new = Encoder(stage, stage.hire(2), new_lag_ms)
    new.hand.ready()
    run(stage, 0, 3_000, old, new)
    stage.channel.switch_to(order())
    return stage, old, new


def test_the_switch_is_made_at_the_border_without_a_pause() -> None:
    stage, old, new = crossing()
    assert new.hand.words()[-1] == (
        "onFeedStart",
        {"nonce": "n", "generation": 2, "start_after": dict.fromkeys(("top", "low", "audio"), BORDER_MS - 1)},
    )
    assert new.hand.feed.stamps()[-1] == 2_960
    run(stage, 3_000, 4_000, old, new)
    assert stage.channel.switch.generation == 1
    assert not old.hand.cut
    run(stage, 4_000, 6_000, old, new)
    assert stage.shown == {name: every_frame(0, 6_000) for name in ("top", "low", "audio")}
    assert len(old.hand.cut) == 1
    [told] = stage.seen(Switched)
    assert (told.kind, told.from_generation, told.generation) == (SwitchKind.PLANNED, 1, 2)
    assert (told.cause, told.decided_by) == ("too hot", DecidedBy.CONTROL)
    assert not stage.seen(WorkerDown)
    [measured] = stage.seen(SwitchMeasured)
    report = measured.report
    assert report.complete
    assert report.stall_ms == FRAME_MS
    assert report.detected_ms is None
    assert {(t.last_ms, t.first_ms, t.missing, t.doubled) for t in report.tracks} == {(3_960, 4_000, 0, 0)}


def test_the_same_order_again_changes_nothing() -> None:
    stage, old, new = crossing()
    stage.channel.switch_to(order())
    run(stage, 3_000, 5_000, old, new)
    stage.channel.switch_to(order())
    assert len(stage.seen(Switched)) == 1


@pytest.mark.parametrize("lags", [(0, 80), (80, 0), (200, 200), (0, 320)])
def test_workers_of_different_pace_switch_alike(lags: tuple[int, int]) -> None:
    stage, old, new = crossing(old_lag_ms=lags[0], new_lag_ms=lags[1])
    run(stage, 3_000, 7_000, old, new)
    end_ms = 7_000 - lags[1]
    assert stage.shown == {name: every_frame(0, end_ms) for name in ("top", "low", "audio")}
    [told] = stage.seen(SwitchMeasured)
    assert told.report.stall_ms is not None
    assert told.report.stall_ms <= FRAME_MS + max(0, lags[1] - lags[0])


def test_a_standby_that_is_not_there_or_not_proved_is_no_standby() -> None:
    stage = Stage(plan_of(standby=2))
    stage.hire(1)
    with pytest.raises(Conflict):
        stage.channel.switch_to(order())
    stage.hire(2)
    with pytest.raises(Conflict):
        stage.channel.switch_to(order())
    with pytest.raises(Conflict):
        stage.channel.switch_to(order(3))


def test_at_once_means_after_the_last_frame() -> None:
    stage = Stage(plan_of(standby=2))
    old, new = Encoder(stage, stage.hire(1)), Encoder(stage, stage.hire(2))
    new.hand.ready()
    run(stage, 0, 3_000, old, new)
    stage.channel.switch_to(order(at_border=False))
    assert new.hand.words()[-1][1]["start_after"] == {"top": 2_960}
    run(stage, 3_000, 4_000, old, new)
    assert stage.shown["top"] == every_frame(0, 4_000)
    assert stage.seen(Switched)[0].kind is SwitchKind.PLANNED


def test_a_new_worker_that_never_delivers_leaves_the_old_one_where_it_is() -> None:
    stage, old, new = crossing()
    new.is_alive = False
    end_ms = BORDER_MS + int(PATIENCE_S * 1000) + 200
    run(stage, 3_000, end_ms, old)
    assert len(new.hand.cut) == 1
    assert not old.hand.cut
    assert stage.shown == {name: every_frame(0, end_ms) for name in ("top", "low", "audio")}
    assert [down.generation for down in stage.seen(WorkerDown)] == [2]
    [told] = stage.seen(SwitchMeasured)
    assert not told.report.complete
    assert stage.channel.switch.generation == 1


def test_a_new_worker_that_is_late_takes_over_at_a_later_key_frame() -> None:
    stage, old, new = crossing()
    run(stage, 3_000, 4_800, old)
    run(stage, 4_800, 8_000, old, new)
    assert stage.shown == {name: every_frame(0, 8_000) for name in ("top", "low", "audio")}
    assert stage.seen(SwitchMeasured)[0].report.tracks[0].first_ms == 6_000


def test_the_new_workers_own_parameter_sets_come_with_its_first_frame() -> None:
    stage = Stage(plan_of(standby=2))
    old, new = Encoder(stage, stage.hire(1)), Encoder(stage, stage.hire(2))
    new.hand.record = OTHER_RECORD
    new.hand.ready()
    run(stage, 0, 3_000, old, new)
    stage.channel.switch_to(order())
    run(stage, 3_000, 4_000, old, new)
    assert stage.channel.programme.header("top") == video_header().payload
    run(stage, 4_000, 5_000, old, new)
    assert stage.channel.programme.header("top") == video_header(OTHER_RECORD).payload
    assert stage.seen(SwitchMeasured)[0].report.parameters_changed


def test_sound_that_has_ended_holds_up_no_switch() -> None:
    stage, old, new = crossing()
    for stamp in range(3_000, 7_000, FRAME_MS):
        stage.source(stamp, sound=False)
        for encoder in (old, new):
            encoder.work(stamp, without="audio")
        stage.channel.tick(stage.now_s)
    assert stage.channel.switch.generation == 2
    assert stage.shown["top"] == every_frame(0, 7_000)


def repainting(
    *renditions: Rendition,
    lags: tuple[int, int] = (0, 0),
    sound: AudioMode = AudioMode.OFF,
    order_now: bool = True,
) -> tuple[Stage, Encoder, Encoder]:
    """As `crossing`; the standby is there for another picture. The old one has `top` and `low`."""
    plan = plan_of(TOP, LOW, standby=2, audio_mode=sound)
    heard = [] if sound is AudioMode.OFF else [AUDIO_TRACK]
    stage = Stage(dataclasses.replace(plan, standby_ladder=dataclasses.replace(plan.ladder, renditions=renditions)))
    old = Encoder(stage, stage.hire(1, ["top", "low", *heard]), lags[0])
    new = Encoder(stage, stage.hire(2, [*[each.name for each in renditions], *heard]), lags[1])
    new.hand.ready()
    run(stage, 0, 3_000, old, new)
    if order_now:
        stage.channel.switch_to(order())
    return stage, old, new


def test_another_picture_comes_at_the_border_with_its_tracks() -> None:
    stage, old, new = repainting(TOP, MINI)
    run(stage, 3_000, 4_000, old, new)
    assert set(stage.channel.programme.muxes) == {"top", "low"}
    run(stage, 4_000, 6_000, old, new)
    assert stage.shown["top"] == every_frame(0, 6_000)
    assert stage.shown["low"] == every_frame(0, 4_000)
    assert stage.shown["mini"] == every_frame(4_000, 6_000)
    assert set(stage.channel.programme.muxes) == {"top", "mini"}
    assert not stage.channel.switch.knows("low")
    assert stage.channel.outputs_changed
    assert len(stage.seen(Switched)) == 1
    [told] = stage.seen(SwitchMeasured)
    assert told.report.complete
    assert [(t.name, t.last_ms, t.first_ms, t.missing) for t in told.report.tracks] == [
        ("top", 3_960, 4_000, 0),
        ("mini", None, 4_000, 0),
    ]
    stage.channel.apply(plan_of(TOP, MINI, active=2, revision=2))
    run(stage, 6_000, 7_000, new)
    assert stage.shown["mini"] == every_frame(4_000, 7_000)


def test_a_picture_that_shares_no_track_with_the_old_one_follows_it() -> None:
    stage, old, new = repainting(MINI)
    run(stage, 3_000, 6_000, old, new)
    assert stage.shown["mini"] == every_frame(4_000, 6_000)
    assert stage.shown["top"] == every_frame(0, 4_000)
    assert set(stage.channel.programme.muxes) == {"mini"}
    assert stage.seen(SwitchMeasured)[0].report.complete


def is_picture(message: MediaMessage) -> bool:
    return message.type is MessageType.VIDEO and message.payload[1] != 0


@pytest.mark.parametrize("renditions", [(LOW,), (MINI,), (MINI, LOW), (TOP, MINI)])
@pytest.mark.parametrize("lags", [(0, 0), (200, 0), (0, 200)])
@pytest.mark.parametrize("sound", [AudioMode.AUTO, AudioMode.OFF])
def test_viewers_go_on_over_a_change_of_picture_and_miss_nothing(
    renditions: tuple[Rendition, ...], lags: tuple[int, int], sound: AudioMode
) -> None:
    stage, old, new = repainting(*renditions, lags=lags, sound=sound, order_now=False)
    viewers = {name: Outlet() for name in ("top", "low")}
    for name, viewer in viewers.items():
        stage.channel.programme.muxes[name].join(viewer)
    new.hand.record = OTHER_RECORD
    stage.channel.switch_to(order())
    run(stage, 3_000, 8_000, old, new)
    assert set(stage.channel.programme.muxes) == {each.name for each in renditions}
    for viewer in viewers.values():
        pictures, sounds = viewer.stamps(), viewer.stamps(MessageType.AUDIO)
        assert pictures == every_frame(2_000, pictures[-1] + FRAME_MS)
        assert pictures[-1] >= 7_000
        assert sound is AudioMode.OFF or sounds == every_frame(2_000, sounds[-1] + FRAME_MS)
        told = [message for batch in viewer.batches for message in batch]
        stamps = [message.timestamp for message in told if message.payload[1] != 0]
        assert stamps == sorted(stamps)
        begins = next(at for at, message in enumerate(told) if message.timestamp == 4_000 and is_picture(message))
        headers = [m.payload for m in told[:begins] if m.type is MessageType.VIDEO and not is_picture(m)]
        assert headers[-1] == video_header(OTHER_RECORD).payload
        assert video_header(OTHER_RECORD).payload not in headers[:-1]


def test_a_change_of_picture_that_fails_leaves_the_old_one() -> None:
    stage, old, new = repainting(TOP, MINI)
    run(stage, 3_000, 3_600, old, new)
    new.die()
    run(stage, 3_600, 9_000, old)
    assert stage.shown == {"top": every_frame(0, 9_000), "low": every_frame(0, 9_000)}
    assert not stage.channel.switch.knows("mini")
    assert stage.channel.ring.span_s < 2.1


def test_a_standby_with_another_picture_follows_a_worker_that_dies() -> None:
    stage, old, new = repainting(TOP, MINI)
    run(stage, 3_000, 3_600, old, new)
    old.die()
    run(stage, 3_600, 6_000, new)
    assert stage.shown["top"] == every_frame(0, 6_000)
    assert stage.shown["mini"] == every_frame(3_000, 6_000)
    assert stage.channel.switch.generation == 2


STEPS = every_frame(3_000, 4_400)


@pytest.mark.parametrize("at_ms", STEPS)
@pytest.mark.parametrize("lags", [(0, 0), (80, 0), (0, 80)])
def test_the_old_worker_may_die_at_any_step(at_ms: int, lags: tuple[int, int]) -> None:
    stage, old, new = crossing(old_lag_ms=lags[0], new_lag_ms=lags[1])
    run(stage, 3_000, at_ms, old, new)
    old.die()
    run(stage, at_ms, 7_000, old, new)
    assert stage.shown == {name: every_frame(0, 7_000 - lags[1]) for name in ("top", "low", "audio")}
    assert stage.channel.switch.generation == 2
    assert len(stage.seen(Switched)) == 1
    report = stage.seen(SwitchMeasured)[-1].report
    assert report.complete
    assert {(t.missing, t.doubled) for t in report.tracks} == {(0, 0)}


@pytest.mark.parametrize("at_ms", STEPS)
@pytest.mark.parametrize("lags", [(0, 0), (80, 0), (0, 80)])
def test_the_new_worker_may_die_at_any_step(at_ms: int, lags: tuple[int, int]) -> None:
    stage, old, new = crossing(old_lag_ms=lags[0], new_lag_ms=lags[1])
    run(stage, 3_000, at_ms, old, new)
    new.die()
    run(stage, at_ms, 7_000, old, new)
    if stage.channel.switch.generation == 1:
        assert stage.shown == {name: every_frame(0, 7_000 - lags[0]) for name in ("top", "low", "audio")}
        assert not stage.seen(Switched)
    else:
        assert [down.generation for down in stage.seen(WorkerDown)] == [2]
    for shown in stage.shown.values():
        assert shown == sorted(set(shown))


@given(
    st.lists(st.tuples(st.sampled_from(["source", "old", "new", "tick"]), st.integers(1, 12)), max_size=120),
    st.sampled_from(["nobody", "old", "new"]),
    st.integers(0, 120),
)
def test_whatever_the_order_no_frame_is_lost_or_doubled(
    turns: list[tuple[str, int]], victim: str, dies_at: int
) -> None:
    stage, old, new = crossing()
    stamp = 3_000
    for number, (who, count) in enumerate(turns):
        if number == dies_at and victim != "nobody":
            (old if victim == "old" else new).die()
        for _ in range(count):
            if who == "source":
                stage.source(stamp)
                stamp += FRAME_MS
            elif who == "tick":
                stage.channel.tick(stage.now_s)
            else:
                (old if who == "old" else new).work(stamp - FRAME_MS)
    for shown in stage.shown.values():
        assert shown == every_frame(0, shown[-1] + FRAME_MS)


def test_a_track_that_the_new_worker_should_not_have_is_ignored() -> None:
    stage, old, new = repainting(TOP, MINI)
    new.hand.encode_on("low", 3_000, key=True)
    run(stage, 3_000, 5_000, old, new)
    assert stage.channel.switch.generation == 2


def test_an_old_worker_that_is_fed_anew_has_time_to_begin() -> None:
    stage, old, new = crossing()
    run(stage, 3_000, 4_000, old, new)
    stage.source(4_000)
    new.work(4_000)
    assert not stage.seen(Switched)
    new.die()
    run(stage, 4_040, 5_000)
    assert not old.hand.cut, "it decodes once more what it had decoded"
    run(stage, 5_000, 6_000, old)
    assert stage.shown == {name: every_frame(0, 6_000) for name in ("top", "low", "audio")}
    run(stage, 6_000, 8_400)
    assert len(old.hand.cut) == 1, "it has begun: from here on it is judged as ever"

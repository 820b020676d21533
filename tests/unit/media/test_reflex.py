"""The worker that speaks is lost: the standby takes over at once, after the last frame let through."""

from __future__ import annotations

import pytest

from aiortmp import MediaBatch, MessageType
from app.domain.failover import DecidedBy, SwitchKind
from app.domain.ladder import AudioMode
from app.domain.link import StandbyReady, Switched, WorkerDown, WorkerUp
from app.domain.stream import StandbyGrade
from app.media.reflex import HOT_SPAN_MS, Reflex, on_loss
from tests.unit.media.stream_parts import AVC_RECORD, data, video_header
from tests.unit.media.worker_parts import GOP_MS, LOW, TOP, Stage, every_frame, plan_of

OTHER_RECORD = bytes((1, 77)) + AVC_RECORD[2:]


def test_without_a_standby_control_is_asked() -> None:
    assert on_loss(None, is_ready=False, missing_from_ms=0, newest_ms=40) is Reflex.WAIT


@pytest.mark.parametrize(
    ("grade", "is_ready", "missing_from_ms", "newest_ms", "verdict"),
    [
        (StandbyGrade.WARM, True, 0, 40, Reflex.FEED),
        (StandbyGrade.WARM, False, 0, 40, Reflex.FEED),
        (StandbyGrade.HOT, True, 0, HOT_SPAN_MS, Reflex.SPEAK),
        (StandbyGrade.HOT, True, 0, HOT_SPAN_MS + 1, Reflex.FEED),
        (StandbyGrade.HOT, False, 0, 40, Reflex.FEED),
        (StandbyGrade.HOT, True, None, 40, Reflex.FEED),
    ],
)
def test_a_hot_standby_goes_on_only_with_what_it_holds_for_sure(
    grade: StandbyGrade, is_ready: bool, missing_from_ms: int | None, newest_ms: int, verdict: Reflex
) -> None:
    assert on_loss(grade, is_ready=is_ready, missing_from_ms=missing_from_ms, newest_ms=newest_ms) is verdict


def test_a_standby_waits_and_is_shown_the_headers_and_the_newest_key_frame() -> None:
    stage = Stage(plan_of(standby=2))
    first = stage.hire(1)
    stage.play(0, 3_000, first)
    second = stage.hire(2)
    assert second.words() == [("onStandby", {"generation": 2, "grade": "warm", "nonce": "n"})]
    assert second.feed.stamps() == [2_000]
    stage.play(3_000, 5_000, first)
    assert second.feed.stamps() == [2_000]
    assert len(stage.seen(WorkerUp)) == 1


def test_a_standby_that_was_there_before_the_source_is_shown_its_first_key_frame() -> None:
    stage = Stage(plan_of(standby=2))
    second = stage.hire(2)
    assert second.feed.stamps() == []
    stage.play(0, 400)
    assert second.feed.stamps() == [0]


def test_new_headers_are_shown_to_the_standby_with_their_first_key_frame() -> None:
    stage = Stage(plan_of(standby=2))
    second = stage.hire(2)
    stage.play(0, 3_000)
    stage.channel.on_source(stage.publisher, MediaBatch.of([video_header(OTHER_RECORD)]))
    stage.play(3_000, 6_100)
    assert second.feed.stamps() == [0, 4_000]


def test_a_hot_standby_is_sent_all_that_comes() -> None:
    stage = Stage(plan_of(standby=2, grade=StandbyGrade.HOT))
    first = stage.hire(1)
    stage.play(0, 3_000, first)
    second = stage.hire(2)
    stage.play(3_000, 4_000, first)
    assert second.feed.stamps() == every_frame(2_000, 4_000)


def test_a_proved_standby_is_told_with_what_its_parameters_are() -> None:
    stage = Stage(plan_of(standby=2))
    second = stage.hire(2)
    second.ready()
    first = stage.hire(1)
    first.header()
    stage.play(0, 200, first)
    second.ready()
    second.send("top", video_header(OTHER_RECORD), data("onStandbyReady", {"generation": 2}))
    assert [fact.same_parameters for fact in stage.seen(StandbyReady)] == [None, True, False]
    assert stage.channel.running().standby_generation == 2


def test_a_word_of_readiness_for_another_generation_proves_nothing() -> None:
    stage = Stage(plan_of(standby=2))
    second = stage.hire(2)
    second.send("top", data("onStandbyReady", {"generation": 1}))
    second.send("top", data("onStandbyReady"))
    assert not stage.seen(StandbyReady)


def test_nothing_of_a_standby_passes_the_switch() -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    stage.play(0, 1_000, first, second)
    assert stage.shown["top"] == every_frame(0, 1_000)


def test_when_the_worker_dies_the_standby_goes_on_after_the_last_frame() -> None:
    stage = Stage(plan_of(TOP, LOW, standby=2, audio_mode=AudioMode.AUTO))
    first, second = stage.hire(1), stage.hire(2)
    second.ready()
    stage.play(0, 3_000, first)
    stage.play(3_000, 3_200)
    first.die()
    assert second.words()[-1] == (
        "onFeedStart",
        {"generation": 2, "nonce": "n", "start_after": {"top": 2_960, "low": 2_960, "audio": 2_960}},
    )
    assert second.feed.stamps()[1:] == every_frame(2_000, 3_200)
    second.header()
    for stamp in every_frame(3_000, 3_200):
        second.encode(stamp, key=True)
    stage.play(3_200, 5_000, second)
    assert stage.shown == {name: every_frame(0, 5_000) for name in ("top", "low", "audio")}
    [told] = stage.seen(Switched)
    assert (told.from_worker_id, told.from_generation, told.worker_id, told.generation) == ("wrk_1", 1, "wrk_2", 2)
    assert (told.kind, told.decided_by, told.cause) == (
        SwitchKind.REFLEX,
        DecidedBy.GATEWAY,
        "connection closed",
    )
    assert not stage.seen(WorkerDown)
    assert stage.channel.running().generation == 2


def test_a_worker_that_stands_still_is_cut_within_600_ms_and_replaced() -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    second.ready()
    stage.play(0, 3_000, first)
    stage.play(3_000, 3_600)
    assert len(first.cut) == 1
    [told] = stage.seen(Switched)
    assert told.cause == "stalled"
    first.encode(3_000, key=True)
    assert stage.channel.switch.fenced == 1
    assert stage.shown["top"] == every_frame(0, 3_000)


def test_a_hot_standby_speaks_with_what_is_inside() -> None:
    stage = Stage(plan_of(standby=2, grade=StandbyGrade.HOT))
    first, second = stage.hire(1), stage.hire(2)
    second.ready()
    stage.play(0, 3_000, first)
    first.die()
    assert second.words()[-1] == ("onSpeak", {"generation": 2, "nonce": "n", "start_after": {"top": 2_960}})
    assert second.feed.stamps() == every_frame(0, 3_000)


def test_an_unproved_standby_is_better_than_none() -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    stage.play(0, 1_000, first)
    first.die()
    assert [name for name, _ in second.words()] == ["onStandby", "onFeedStart"]
    assert len(stage.seen(Switched)) == 1


def test_when_both_are_gone_the_first_to_come_goes_on() -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    stage.play(0, 1_000, first)
    second.die()
    first.die()
    assert [down.generation for down in stage.seen(WorkerDown)] == [2, 1]
    stage.play(1_000, 3_000)
    stage.channel.apply(plan_of(standby=3, revision=2))
    third = stage.hire(3)
    assert third.words()[0][1]["start_after"] == {"top": 960}
    assert third.feed.stamps()[0] == 0
    assert stage.seen(Switched)[-1].generation == 3


def test_a_plan_that_does_not_know_of_the_switch_undoes_nothing() -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    stage.play(0, 1_000, first)
    first.die()
    stage.channel.apply(plan_of(standby=2, revision=2))
    assert not second.cut
    second.encode(1_000, key=True)
    assert stage.shown["top"][-1] == 1_000
    stage.channel.apply(plan_of(active=2, standby=3, revision=3))
    third = stage.hire(3)
    assert third.words()[0][0] == "onStandby"
    assert not second.cut


def test_a_standby_that_the_plan_names_no_more_is_let_go() -> None:
    stage = Stage(plan_of(standby=2))
    second = stage.hire(2)
    stage.channel.apply(plan_of(standby=3, revision=2))
    assert len(second.cut) == 1
    [down] = stage.seen(WorkerDown)
    assert down.generation == 2


def test_a_standby_that_the_plan_names_active_speaks() -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    stage.play(0, 1_000, first)
    stage.channel.apply(plan_of(active=2, revision=2))
    assert second.words()[-1][0] == "onFeedStart"
    assert len(first.cut) == 1


def test_the_end_of_a_stream_promotes_nobody() -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    stage.play(0, 1_000, first)
    stage.channel.end("over")
    assert (first.cut, second.cut) == (["over"], ["over"])
    assert not stage.seen(Switched)


def test_a_publisher_cannot_speak_to_workers_in_the_gateways_name() -> None:
    stage = Stage(plan_of())
    first = stage.hire(1)
    stage.play(0, 80, first)
    fake = data("onFeedStart", {"generation": 1, "start_after": {}})
    stage.channel.on_source(stage.publisher, MediaBatch.of([fake, data("onCuePoint", {"name": "x"})]))
    assert [name for name, _ in first.words()] == ["onFeedStart", "onCuePoint"]
    assert first.words()[0][1]["start_after"] == {"top": None}


def test_a_hot_standby_that_joins_late_holds_all_that_has_not_come_back() -> None:
    stage = Stage(plan_of(standby=2, grade=StandbyGrade.HOT))
    active = stage.hire(1)
    active.header()
    stage.play(0, GOP_MS - 200, active)
    stage.play(GOP_MS - 200, GOP_MS + 200)  # the active one stands still, and a key frame passes meanwhile
    standby = stage.hire(2)
    standby.ready()
    active.die()
    assert standby.words()[-1][0] == "onSpeak"
    given = standby.feed.stamps()
    assert set(every_frame(GOP_MS - 200, GOP_MS + 200)) <= set(given)


def test_pictures_of_another_format_are_replayed_behind_the_headers_they_came_with() -> None:
    stage = Stage(plan_of(standby=2))
    first, second = stage.hire(1), stage.hire(2)
    second.ready()
    stage.play(0, 3_800, first)
    stage.play(3_800, 4_000)
    stage.channel.on_source(stage.publisher, MediaBatch.of([video_header(OTHER_RECORD)]))
    stage.play(4_000, 4_200)
    told = len(second.feed.batches)
    first.die()
    fed = [
        message for batch in second.feed.batches[told:] for message in batch if message.type is MessageType.VIDEO
    ]
    headers = [index for index, message in enumerate(fed) if not message.payload[1]]
    assert [fed[index].payload for index in headers] == [
        video_header().payload,
        video_header(OTHER_RECORD).payload,
    ]
    assert headers == [0, 1 + len(every_frame(2_000, 4_000))]


def test_a_standby_that_comes_between_new_headers_and_their_key_frame_is_shown_what_belongs_together() -> None:
    stage = Stage(plan_of(standby=2))
    stage.play(0, 3_000)
    stage.channel.on_source(stage.publisher, MediaBatch.of([video_header(OTHER_RECORD)]))
    second = stage.hire(2)
    stage.play(3_000, 4_100)
    shown = [message for batch in second.feed.batches for message in batch if message.type is MessageType.VIDEO]
    assert [message.payload for message in shown if not message.payload[1]] == [
        video_header().payload,
        video_header(OTHER_RECORD).payload,
    ]
    assert second.feed.stamps() == [2_000, 4_000]


def test_a_ready_standby_begins_when_the_planned_worker_never_comes() -> None:
    stage = Stage(plan_of(standby=2))
    second = stage.hire(2)
    stage.play(0, 400)
    second.ready()
    stage.play(400, 10_000)
    assert not stage.seen(Switched)
    stage.play(10_000, 12_000)
    [told] = stage.seen(Switched)
    assert (told.from_worker_id, told.generation, told.cause) == (None, 2, "not there")
    assert second.words()[-1] == ("onFeedStart", {"generation": 2, "nonce": "n", "start_after": {"top": None}})
    assert second.feed.stamps()[1] == 0
    late = stage.hire(1)
    assert late.feed.batches == []


@pytest.mark.parametrize("what", ["no source", "not ready", "a worker that comes"])
def test_a_standby_does_not_begin_without(what: str) -> None:
    stage = Stage(plan_of(standby=2))
    second = stage.hire(2)
    if what != "not ready":
        second.ready()
    if what == "a worker that comes":
        stage.play(0, 9_000)
        first = stage.hire(1)
        first.header()
        for stamp in every_frame(0, 9_000):
            first.encode(stamp)
        stage.play(9_000, 15_000, first)
    elif what == "no source":
        for tick in range(300):
            stage.now_s = tick / 10
            stage.channel.tick(stage.now_s)
    else:
        stage.play(0, 15_000)
    assert not stage.seen(Switched)


def test_a_standby_that_the_plan_replaced_before_it_asked_for_the_source_gets_no_seat() -> None:
    stage = Stage(plan_of(standby=2))
    first = stage.hire(1)
    stage.play(0, 1_000, first)
    stage.channel.apply(plan_of(standby=3, revision=2))
    late = stage.hire(2)
    assert not late.feed.batches
    stage.play(1_000, 2_000, first)
    assert not first.cut
    assert stage.channel.switch.generation == 1
    third = stage.hire(3)
    assert third.words()[0][0] == "onStandby"


def test_a_stream_that_is_over_seats_nobody() -> None:
    stage = Stage(plan_of())
    stage.channel.end("over")
    told = len(stage.facts)
    late = stage.hire(1)
    assert not late.feed.batches
    assert len(stage.facts) == told

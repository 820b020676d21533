"""What may be tried on a device, and what may not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from app.domain.device import DeviceReading, EngineState
from app.domain.ids import EncoderId, StreamId
from app.domain.remediation import Carried, Outcome, Phase, Remedy, RemedyBreaker, RemedyRun
from app.policy.remediation import Situation, Wish, is_too_sick, judge, why_opened
from app.policy.remedies import CATALOGUE, Look, for_condition, helped

NOON: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)
ME, OTHER = EncoderId("helo-1"), EncoderId("helo-2")
AT_REST: Final = DeviceReading(
    at=NOON, is_well=True, streaming=EngineState.STOPPED, recording=EngineState.STOPPED, is_in_transfer_mode=False
)
LAST_ONE: Final = Carried(StreamId("str_1"), is_on_air=True, flows=True, other_flows=False)


def seen(reading: DeviceReading | None = AT_REST, **changes: object) -> Situation:
    return replace(Situation(now=NOON, reading=reading, members=5), **changes)  # type: ignore[arg-type]  # by name


def run(
    remedy: Remedy = Remedy.REBOOT,
    *,
    ago_s: float = 0.0,
    outcome: Outcome | None = Outcome.FAILED,
    encoder_id: EncoderId = ME,
) -> RemedyRun:
    began = NOON - timedelta(seconds=ago_s)
    return RemedyRun(
        id=f"rem_{ago_s}",
        encoder_id=encoder_id,
        remedy=remedy,
        cause="device_unwell",
        evidence=(),
        command="",
        asked_by="automation",
        began_at=began,
        is_disruptive=CATALOGUE[remedy].is_disruptive,
        phase=Phase.SENT if outcome is None else Phase.DONE,
        outcome=outcome,
    )


REBOOT: Final = Wish(ME, Remedy.REBOOT)
BY_PERSON: Final = Wish(ME, Remedy.REBOOT, by_person=True)
FORCED: Final = Wish(ME, Remedy.REBOOT, by_person=True, force=True)


def test_a_device_at_rest_that_carries_nothing_may_be_restarted() -> None:
    assert judge(REBOOT, seen(), ()) is None


@pytest.mark.parametrize("state", [EngineState.RUNNING, EngineState.STARTING, None])
@pytest.mark.parametrize("engine", ["streaming", "recording"])
def test_one_that_streams_or_records_or_does_not_tell_is_not_restarted(
    engine: str, state: EngineState | None
) -> None:
    busy = replace(AT_REST, **{engine: state})  # type: ignore[arg-type]  # by name
    assert judge(REBOOT, seen(busy), ()) is not None
    assert judge(BY_PERSON, seen(busy), ()) is not None
    assert judge(FORCED, seen(busy), ()) is None


def test_a_broken_stream_is_no_reason_to_leave_the_device_alone() -> None:
    assert judge(REBOOT, seen(replace(AT_REST, streaming=EngineState.FAILED)), ()) is None


def test_the_last_that_feeds_a_live_stream_is_not_disturbed_unless_a_person_forces_it() -> None:
    for remedy in (Remedy.REBOOT, Remedy.RESTART_STREAM):
        wish = Wish(ME, remedy, by_person=True)
        assert "last that feeds str_1" in (judge(wish, seen(carried=(LAST_ONE,)), ()) or "")
        assert judge(replace(wish, force=True), seen(carried=(LAST_ONE,)), ()) is None
    unknown = replace(LAST_ONE, flows=None)
    assert judge(REBOOT, seen(carried=(unknown,)), ()) is not None


def test_with_another_device_on_the_same_stream_or_with_a_picture_that_is_gone_it_may_be() -> None:
    assert judge(REBOOT, seen(carried=(replace(LAST_ONE, other_flows=True),)), ()) is None
    assert judge(REBOOT, seen(carried=(replace(LAST_ONE, flows=False),)), ()) is None


def test_a_device_is_restarted_once_in_half_an_hour_and_three_times_a_day() -> None:
    helped_before = {"outcome": Outcome.KEPT}
    assert judge(BY_PERSON, seen(), [run(ago_s=1_799, **helped_before)]) is not None  # type: ignore[arg-type]  # by name
    assert judge(BY_PERSON, seen(), [run(ago_s=1_801, **helped_before)]) is None  # type: ignore[arg-type]  # by name
    three = [run(ago_s=hour * 3_600.0, outcome=Outcome.KEPT) for hour in (2, 4, 6)]
    assert "3 times" in (judge(REBOOT, seen(), three) or "")
    assert judge(FORCED, seen(), three) is None
    assert judge(REBOOT, seen(now=NOON + timedelta(hours=18, seconds=1)), three) is None


def test_a_clock_that_was_set_back_gives_no_further_restart() -> None:
    assert judge(REBOOT, seen(), [run(ago_s=-7_200.0, outcome=Outcome.KEPT)]) is not None


def test_one_device_of_the_fleet_is_disturbed_at_a_time() -> None:
    under_way = run(encoder_id=OTHER, outcome=None)
    assert "helo-2 is being mended" in (judge(REBOOT, seen(), [under_way]) or "")
    assert judge(Wish(ME, Remedy.LEAVE_TRANSFER_MODE), seen(_in_transfer()), [under_way]) is None


def test_nobody_overrules_that_a_device_is_being_mended_or_can_not_be_asked() -> None:
    assert judge(FORCED, seen(), [run(Remedy.SYNC_CLOCK, outcome=None)]) is not None
    assert judge(FORCED, seen(None), ()) is not None


@pytest.mark.parametrize(
    ("members", "unhealthy", "sick"), [(10, 4, False), (10, 5, True), (2, 1, False), (2, 2, True), (1, 1, False)]
)
def test_with_more_than_two_fifths_of_the_fleet_unhealthy_nothing_is_done(
    members: int, unhealthy: int, sick: bool
) -> None:
    assert is_too_sick(members, unhealthy) is sick
    for remedy in (Remedy.REBOOT, Remedy.SYNC_CLOCK):
        refusal = judge(Wish(ME, remedy), seen(members=members, unhealthy=unhealthy), ())
        assert (refusal is not None) is sick


def test_the_breaker_holds_a_person_too_until_it_is_cleared() -> None:
    breaker = RemedyBreaker(ME, NOON, "it stays bad")
    assert judge(BY_PERSON, seen(breaker=breaker), ()) is not None
    cleared = replace(breaker, cleared_at=NOON)
    assert judge(BY_PERSON, seen(breaker=cleared), ()) is None


def test_what_was_before_the_breaker_was_cleared_counts_no_more_but_for_the_half_hour() -> None:
    three = [run(ago_s=hour * 3_600.0) for hour in (2, 4, 6)]
    cleared = RemedyBreaker(ME, NOON, "", cleared_at=NOON - timedelta(minutes=1))
    assert judge(REBOOT, seen(breaker=cleared), three) is None
    assert judge(REBOOT, seen(breaker=cleared), [run(ago_s=600.0)]) is not None


def test_three_tries_in_a_row_that_did_not_help_open_the_breaker() -> None:
    failed = [run(Remedy.SYNC_CLOCK, ago_s=ago) for ago in (1_200.0, 600.0, 1.0)]
    assert why_opened(failed, None, NOON) is not None
    assert why_opened(failed[1:], None, NOON) is None
    between = [*failed, run(Remedy.SYNC_CLOCK, ago_s=700.0, outcome=Outcome.KEPT)]
    assert why_opened(between, None, NOON) is None
    assert why_opened(failed, NOON - timedelta(seconds=650), NOON) is None


def test_three_restarts_a_day_of_which_the_last_did_not_help_open_it_too() -> None:
    runs = [run(ago_s=6_000.0, outcome=Outcome.KEPT), run(ago_s=4_000.0, outcome=Outcome.KEPT), run(ago_s=300.0)]
    assert why_opened(runs, None, NOON) is not None
    assert why_opened([*runs[:2], run(ago_s=300.0, outcome=Outcome.KEPT)], None, NOON) is None


def test_after_a_try_that_did_not_help_a_device_rests_longer_each_time() -> None:
    failed = [run(Remedy.UNMUTE, ago_s=11.0)]
    assert judge(Wish(ME, Remedy.SYNC_CLOCK), seen(), failed) is None
    failed.append(run(Remedy.UNMUTE, ago_s=29.0))
    assert "rests" in (judge(Wish(ME, Remedy.SYNC_CLOCK), seen(), failed) or "")
    assert judge(Wish(ME, Remedy.SYNC_CLOCK, by_person=True), seen(), failed) is None


def test_six_tries_an_hour_are_enough() -> None:
    tried = [run(Remedy.UNMUTE, ago_s=600.0 * n, outcome=Outcome.KEPT) for n in range(6)]
    assert judge(Wish(ME, Remedy.SYNC_CLOCK), seen(), tried) is not None
    assert judge(Wish(ME, Remedy.SYNC_CLOCK), seen(), tried[1:]) is None


def test_what_a_person_changed_by_hand_is_left_alone_for_a_while() -> None:
    until = NOON + timedelta(seconds=1)
    assert judge(Wish(ME, Remedy.SYNC_CLOCK), seen(hands_off_until=until), ()) is not None
    assert judge(Wish(ME, Remedy.SYNC_CLOCK, by_person=True), seen(hands_off_until=until), ()) is None
    assert judge(Wish(ME, Remedy.SYNC_CLOCK), seen(hands_off_until=NOON), ()) is None


def test_an_input_is_changed_only_where_a_spare_one_is_configured() -> None:
    wish = Wish(ME, Remedy.CHANGE_INPUT, by_person=True, force=True)
    assert judge(wish, seen(), ()) is not None
    assert judge(wish, seen(wanted="sdi"), ()) is None


def test_one_that_restarts_by_itself_again_and_again_is_not_restarted_on_top() -> None:
    assert judge(REBOOT, seen(in_circles=True), ()) is not None


def test_dry_runs_count_for_nothing() -> None:
    assert judge(REBOOT, seen(), [replace(run(outcome=Outcome.DRY_RUN), is_dry=True)]) is None


@pytest.mark.parametrize("remedy", Remedy)
def test_every_remedy_is_described_and_bounded(remedy: Remedy) -> None:
    spec = CATALOGUE[remedy]
    assert spec.words
    assert 0 < spec.verify_s <= 600
    assert spec.cool_down_s >= 300
    for name in spec.cures:
        assert for_condition(name) == (remedy, spec.cures[name])


def test_no_condition_has_two_remedies() -> None:
    names = [name for spec in CATALOGUE.values() for name in spec.cures]
    assert len(names) == len(set(names))


def test_what_a_device_does_not_tell_is_neither_good_nor_bad() -> None:
    dumb = Look(DeviceReading(at=NOON))
    for remedy in (Remedy.REBOOT, Remedy.SYNC_CLOCK, Remedy.LEAVE_TRANSFER_MODE, Remedy.CHANGE_MEDIUM):
        assert helped(remedy, dumb, None) is None


def test_the_gateway_is_believed_more_than_the_device() -> None:
    streams = replace(AT_REST, streaming=EngineState.RUNNING)
    assert helped(Remedy.RESTART_STREAM, Look(streams, flows=False), None) is False
    assert helped(Remedy.RESTART_STREAM, Look(streams), None) is True


def _in_transfer() -> DeviceReading:
    return replace(AT_REST, is_in_transfer_mode=True)

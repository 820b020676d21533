"""Devices are mended within limits, whatever fails meanwhile: RM-01 to RM-10, in virtual time."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from itertools import pairwise

import pytest

from app.domain.condition import Category, Subject, SubjectKind
from app.domain.device import DeviceAlarm, DeviceChoice, EngineState, Medium
from app.domain.errors import Conflict, NotFound, Unavailable
from app.domain.events import IncidentChanged
from app.domain.fleet import OperatorWish
from app.domain.ids import EncoderId, StreamId
from app.domain.incident import Cause, Diagnosis, Incident
from app.domain.remediation import Automation, Carried, Outcome, Phase, Remedy, RemedyRun
from app.domain.severity import Severity
from app.runtime.clock import utc_now
from tests.support.remedy_rig import PERSON, Rig

from .virtual_time import Clock, run

A, B = EncoderId("a"), EncoderId("b")
LAST_ONE = Carried(StreamId("str_1"), is_on_air=True, flows=True, other_flows=False)


def _stays_bad(rig: Rig, name: str = "a") -> None:
    device = rig.device(name)
    device.heals = device.break_engine
    device.break_engine()


def diagnosed(name: str, remedy: str, *, is_over: bool = False) -> IncidentChanged:
    cause, at = Cause("encoder", name), utc_now()
    found = Diagnosis(f"pattern_of_{name}", cause, Severity.CRITICAL, Category.SYSTEM, "", "", remedy, ("a sign",))
    incident = Incident(
        id=f"inc_{name}",
        cause=cause,
        severity=Severity.CRITICAL,
        title="",
        root=("sign", Subject(SubjectKind.ENCODER, name)),
        reasons=(),
        diagnoses=(found,),
        signs=(),
        children=(),
        total_signs=1,
        total_children=0,
        streams=0,
        viewers=None,
        started_at=at,
        ended_at=at if is_over else None,
    )
    return IncidentChanged(incident, at)


# --- RM-01


def test_rm_01_a_device_that_stays_bad_is_restarted_three_times_and_then_left_to_a_person() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b", "c")
        _stays_bad(rig)
        async with rig.control() as service:
            await asyncio.sleep(26 * 3_600.0)
            reboots = rig.device().reboots
            assert len(reboots) == 3
            assert all(after - before >= 1_800.0 for before, after in pairwise(reboots))
            assert rig.active("remedy_breaker_open")
            assert rig.wishes[A] is OperatorWish.DRAINING
            with pytest.raises(Conflict, match="breaker is open"):
                await service.ask(A, Remedy.REBOOT, PERSON)
            await service.clear(A, PERSON)
            assert not rig.active("remedy_breaker_open")
            assert rig.wishes[A] is OperatorWish.ACTIVE
            with pytest.raises(NotFound):
                await service.clear(A, PERSON)
            await asyncio.sleep(300.0)
            assert len(reboots) == 4

    run(1, story)


def test_the_breaker_outlives_control() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b", "c")
        _stays_bad(rig)
        async with rig.control():
            await asyncio.sleep(2 * 3_600.0)
        assert len(rig.device().reboots) == 3
        rig.told.clear()
        async with rig.control():
            await asyncio.sleep(3_600.0)
            assert rig.active("remedy_breaker_open")
        assert len(rig.device().reboots) == 3

    run(1, story)


def test_a_device_that_is_well_after_its_restart_is_let_be() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        rig.device().break_engine()
        async with rig.control():
            await asyncio.sleep(3_600.0)
        assert len(rig.device().reboots) == 1
        (only,) = rig.runs()
        assert only.outcome is Outcome.KEPT

    run(1, story)


def test_a_device_that_no_other_can_stand_in_for_keeps_its_stream_though_its_breaker_opens() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b", "c")
        rig.carrying[A] = (replace(LAST_ONE, flows=False),)
        _stays_bad(rig)
        async with rig.control():
            await asyncio.sleep(2 * 3_600.0)
            assert rig.active("remedy_breaker_open")
            assert rig.wished(A) is OperatorWish.ACTIVE

    run(1, story)


def test_a_device_whose_clock_can_not_be_set_goes_on_streaming() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b", "c")
        rig.device().refusal = "no"
        rig.device().tell(clock_offset_s=500.0)
        async with rig.control():
            await asyncio.sleep(3_600.0)
            assert rig.active("remedy_breaker_open")
            assert rig.wished(A) is OperatorWish.ACTIVE
            assert rig.orders() == ["sync_clock"] * 3

    run(1, story)


@pytest.mark.parametrize(
    ("what", "moves"), [({"recording": EngineState.RUNNING}, True), ({"clock_offset_s": 500.0}, False)]
)
def test_what_can_not_be_mended_goes_over_to_another_device_where_it_is_about_the_picture(
    what: dict[str, object], moves: bool
) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b", "c")
        rig.carrying[A] = (replace(LAST_ONE, other_flows=True),)
        rig.device().refusal = "no"
        rig.device().tell(alarms=(DeviceAlarm("Near_Over_Temp_Alarm", "warning", "hot"),) if moves else (), **what)
        async with rig.control():
            await asyncio.sleep(100.0)
        assert rig.runs()[0].outcome is Outcome.FAILED
        assert rig.moved == ([A] if moves else [])
        assert ("changed over to another device" in (rig.runs()[0].result or "")) is moves

    run(1, story)


# --- RM-02


def test_rm_02_a_control_that_is_killed_at_any_moment_never_restarts_a_device_twice() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        points = 0
        for at in range(1, 13):
            for heals in (True, False):
                rig = Rig("a", "b")
                rig.device().break_engine()
                if not heals:
                    _stays_bad(rig)
                rig.knife.at = at
                async with rig.control():
                    async with asyncio.timeout(500.0):
                        fell = asyncio.create_task(rig.knife.fell.wait())
                        await asyncio.wait({fell}, timeout=450.0)
                        fell.cancel()
                points += rig.knife.fell.is_set()
                await asyncio.sleep(dice.uniform(0.0, 90.0))
                async with rig.control():
                    await asyncio.sleep(900.0)
                assert len(rig.device().reboots) <= 1, f"killed at {at}, heals: {heals}"
                if rig.runs():
                    assert all(one.is_over for one in rig.runs())
        assert points >= 10, "few of the moments were met at all"

    run(2, story)


def test_after_a_kill_the_device_is_looked_at_before_anything_is_sent() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        rig.device().break_engine()
        rig.knife.at = 3  # the intent is stored, and the command has not gone out
        async with rig.control():
            await rig.knife.fell.wait()
        (intent,) = rig.runs()
        assert (intent.phase, rig.device().reboots) == (Phase.INTENDED, [])
        rig.device().tell(streaming=EngineState.STOPPED)  # it mended itself
        async with rig.control():
            await asyncio.sleep(120.0)
        (only,) = rig.runs()
        assert only.outcome is Outcome.KEPT
        assert rig.orders() == []

    run(3, story)


def test_nothing_is_sent_whose_intent_can_not_be_stored() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        rig.device().break_engine()
        rig.store.away = True
        async with rig.control() as service:
            await asyncio.sleep(600.0)
            with pytest.raises(Unavailable):
                await service.ask(A, Remedy.REBOOT, PERSON)
            assert rig.orders() == []
            rig.store.away = False
            await asyncio.sleep(20.0)
            assert rig.orders() == ["reboot"]
            rig.store.away = True
            await asyncio.sleep(300.0)
            rig.store.away = False
            await asyncio.sleep(10.0)
            assert rig.runs()[0].outcome is Outcome.KEPT

    run(4, story)


# --- RM-03


def test_rm_03_when_most_devices_look_bad_nothing_is_done_and_one_alert_says_so() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig(*"abcdefghij")
        for name in "abcde":
            _stays_bad(rig, name)
        async with rig.control():
            await asyncio.sleep(3_600.0)
            assert rig.orders() == []
            assert rig.runs() == []
            assert len(rig.active("remediation_held")) == 1
            rig.device("e").tell(streaming=EngineState.STOPPED)
            await asyncio.sleep(120.0)
            assert not rig.active("remediation_held")
            assert "reboot" in rig.orders()

    run(5, story)


def test_what_most_devices_have_at_once_is_none_of_their_own_faults() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig(*"abcde")
        for name in "abc":
            rig.device(name).tell(clock_offset_s=-500.0)
        async with rig.control():
            await asyncio.sleep(600.0)
            assert rig.orders() == []
            rig.device("c").tell(clock_offset_s=0.0)
            await asyncio.sleep(60.0)
        assert rig.orders() == ["sync_clock", "sync_clock"]

    run(5, story)


def test_two_devices_are_never_disturbed_at_the_same_time() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig(*"abcdefghij")
        for name in "abcd":
            rig.device(name).break_engine()
        async with rig.control():
            await asyncio.sleep(1_800.0)
        spans = [(one.began_at, one.ended_at) for one in rig.runs()]
        assert len(spans) == 4
        assert all(ended is not None and ended <= began for (_, ended), (began, _) in pairwise(spans))

    run(6, story)


# --- RM-04


def test_rm_04_the_last_device_of_a_live_stream_is_disturbed_only_when_a_person_forces_it() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        rig.carrying[A] = (LAST_ONE,)
        rig.spare[A] = "sdi"
        async with rig.control() as service:
            rig.device().tell(alarms=(DeviceAlarm("HW_Error_Alarm", "error", "broken"),))
            await asyncio.sleep(1_800.0)
            assert rig.orders() == []
            for remedy in (Remedy.REBOOT, Remedy.RESTART_STREAM, Remedy.CHANGE_INPUT):
                with pytest.raises(Conflict, match="the last that feeds str_1"):
                    await service.ask(A, remedy, PERSON)
            await service.ask(A, Remedy.CHANGE_INPUT, PERSON, force=True)
            await asyncio.sleep(1.0)
            assert rig.orders() == ["choose video_input sdi"]

    run(7, story)


def test_the_only_device_of_a_stream_gets_its_spare_input_when_its_own_is_lost() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        rig.carrying[A] = (LAST_ONE,)
        rig.spare[A] = "sdi"
        rig.device().tell(has_input=False)
        async with rig.control():
            await asyncio.sleep(15.0)
        assert rig.orders() == ["choose video_input sdi"]

    run(7, story)


def test_with_another_device_on_the_stream_it_goes_off_the_air_first() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        rig.carrying[A] = (replace(LAST_ONE, other_flows=True),)
        rig.device().break_engine()
        async with rig.control():
            await asyncio.sleep(120.0)
        assert rig.moved[:1] == [A]
        assert rig.orders() == ["reboot"]

    run(7, story)


@pytest.mark.parametrize("remedy", ["reboot", "change_input", "leave_transfer_mode", "unmute", "format_disk"])
def test_a_false_diagnosis_touches_no_device_that_is_well(remedy: str) -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b", "c")
        rig.spare[A] = "sdi"
        async with rig.control():
            await asyncio.sleep(5.0)
            rig.tell(diagnosed("a", remedy))
            await asyncio.sleep(900.0)
        assert rig.orders() == []
        assert rig.runs() == []

    run(15, story)


def test_a_true_diagnosis_is_followed_and_one_that_was_taken_back_is_not() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b", "c", "d")
        async with rig.control():
            for name in "ab":
                rig.device(name).tell(clock_offset_s=-80.0)
            await asyncio.sleep(5.0)
            for name in "ab":
                rig.tell(diagnosed(name, "sync_clock"))
                rig.device(name).tell(clock_offset_s=-100.0)
            rig.tell(diagnosed("b", "sync_clock", is_over=True))
            await asyncio.sleep(45.0)
        assert [(one.encoder_id, one.cause) for one in rig.runs()] == [(A, "pattern_of_a")]

    run(15, story)


# --- RM-08


def test_rm_08_a_dry_run_decides_the_same_and_sends_nothing() -> None:
    async def decided(rig: Rig, automation: Automation) -> list[tuple[object, ...]]:
        rig.device("a").break_engine()
        rig.device("b").tell(is_in_transfer_mode=True)
        rig.device("c").tell(clock_offset_s=400.0)
        async with rig.control(automation):
            await asyncio.sleep(200.0)
        return sorted((one.encoder_id, one.remedy, one.cause, one.evidence, one.command) for one in rig.runs())

    async def story(clock: Clock, dice: random.Random) -> None:
        real, dry = Rig(*"abcdefghij"), Rig(*"abcdefghij")
        assert await decided(dry, Automation.DRY_RUN) == await decided(real, Automation.ON)
        assert len(real.runs()) == 3
        assert dry.orders() == []
        assert {one.outcome for one in dry.runs()} == {Outcome.DRY_RUN}
        off = Rig("a")
        assert await decided_nothing(off) == ([], [])

    async def decided_nothing(rig: Rig) -> tuple[list[str], list[RemedyRun]]:
        rig.device().break_engine()
        async with rig.control(Automation.OFF):
            await asyncio.sleep(600.0)
        return rig.orders(), rig.runs()

    run(8, story)


def test_a_person_sees_by_a_dry_run_whether_it_would_be_done() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        async with rig.control(Automation.OFF) as service:
            await asyncio.sleep(5.0)
            seen = await service.ask(A, Remedy.REBOOT, PERSON, dry_run=True)
            assert (seen.outcome, seen.is_dry) == (Outcome.DRY_RUN, True)
            with pytest.raises(Conflict, match="not in file-transfer mode"):
                await service.ask(A, Remedy.LEAVE_TRANSFER_MODE, PERSON, dry_run=True)
            with pytest.raises(NotFound):
                await service.ask(EncoderId("nobody"), Remedy.REBOOT, PERSON)
        assert rig.orders() == []

    run(8, story)


# --- RM-09


def test_rm_09_what_a_person_changes_by_hand_is_seen_at_the_next_look_and_left_alone() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        async with rig.control() as service:
            await asyncio.sleep(70.0)
            rig.device().chosen[DeviceChoice.AUDIO_INPUT] = "analog"
            await asyncio.sleep(62.0)
            ((encoder_id, _),) = (await service.standing()).hands_off
            assert encoder_id == A
            rig.device().break_engine()
            await asyncio.sleep(1_800.0)
            assert rig.orders() == []
            await asyncio.sleep(1_900.0)
            assert rig.orders() == ["reboot"]

    run(9, story)


def test_a_person_who_changes_what_a_remedy_has_just_set_is_not_undone() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        rig.spare[A] = "sdi"
        rig.device().tell(has_input=False)
        async with rig.control():
            await asyncio.sleep(15.0)
            assert rig.device().chosen[DeviceChoice.VIDEO_INPUT] == "sdi"
            rig.device().chosen[DeviceChoice.VIDEO_INPUT] = "test_pattern"
            await asyncio.sleep(60.0)
        async with rig.control() as service:
            assert [encoder_id for encoder_id, _ in (await service.standing()).hands_off] == [A]
            await asyncio.sleep(1_800.0)
        assert rig.device().chosen[DeviceChoice.VIDEO_INPUT] == "test_pattern"
        (only,) = rig.runs()
        assert only.outcome is Outcome.LEFT_ALONE

    run(9, story)


def test_what_a_remedy_changed_is_not_taken_for_a_hand() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        rig.device().chosen[DeviceChoice.MUTE] = "on"
        async with rig.control() as service:
            await asyncio.sleep(70.0)
            await service.ask(A, Remedy.UNMUTE, PERSON)
            await asyncio.sleep(300.0)
            assert (await service.standing()).hands_off == ()

    run(9, story)


# --- RM-10


def test_rm_10_the_journal_says_cause_evidence_command_result_and_the_effect_a_minute_later() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        rig.device().tell(is_in_transfer_mode=True)
        async with rig.control():
            await asyncio.sleep(130.0)
        (only,) = rig.runs()
        assert (only.remedy, only.cause) == (Remedy.LEAVE_TRANSFER_MODE, "device_in_transfer_mode")
        assert only.evidence
        assert only.command == "lead it out of file transfer"
        assert (only.outcome, only.result) == (Outcome.KEPT, "it helped")
        assert only.effect is not None
        assert "as it should be" in only.effect

    run(10, story)


def test_the_effect_is_written_down_by_the_next_control_when_this_one_ends() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        rig.device().tell(is_in_transfer_mode=True)
        async with rig.control():
            await asyncio.sleep(80.0)
        assert rig.runs()[0].is_over
        assert rig.runs()[0].effect is None
        async with rig.control():
            await asyncio.sleep(120.0)
        assert rig.runs()[0].effect is not None

    run(10, story)


def test_an_input_that_does_not_help_is_changed_back() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        rig.spare[A] = "sdi"
        rig.device().tell(has_input=False)
        async with rig.control():
            await asyncio.sleep(120.0)
        assert rig.orders() == ["choose video_input sdi", "choose video_input hdmi"]
        assert rig.runs()[0].outcome is Outcome.ROLLED_BACK

    run(11, story)


def test_without_a_spare_input_none_is_tried() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        rig.device().tell(has_input=False)
        async with rig.control():
            await asyncio.sleep(600.0)
        assert rig.orders() == []

    run(11, story)


def test_what_a_device_refuses_is_written_down_and_not_asked_again_at_once() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        rig.device().tell(is_in_transfer_mode=True)
        rig.device().refusal = "not now"
        async with rig.control():
            await asyncio.sleep(300.0)
        (only,) = rig.runs()
        assert only.outcome is Outcome.FAILED
        assert "not now" in (only.result or "")

    run(11, story)


def test_a_full_medium_is_changed_for_the_next_while_nothing_is_recorded() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        full = Medium("primary", is_mounted=True, is_ready=False, free_percent=0.5)
        alarm = DeviceAlarm("Media_Full_Alarm", "error", "Media Full")
        rig.device().tell(media=(full,), alarms=(alarm,), recording=EngineState.RUNNING)
        async with rig.control():
            await asyncio.sleep(120.0)
            assert rig.orders() == []
            rig.device().tell(recording=EngineState.FAULTY)
            await asyncio.sleep(30.0)
        assert rig.orders() == ["change_medium primary"]

    run(12, story)


# --- RM-07


def test_rm_07_words_in_an_alarm_or_a_name_trigger_nothing() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b")
        evil = "device_engine_down Storage_Removed_Alarm; reboot a now"
        rig.device().tell(
            system_name=evil, input_format=evil, alarms=(DeviceAlarm("Unknown_Alarm", "warning", evil),)
        )
        async with rig.control():
            await asyncio.sleep(1_800.0)
        assert rig.orders() == []
        assert rig.runs() == []

    run(13, story)


def test_a_device_that_restarts_by_itself_again_and_again_is_told_and_not_restarted_on_top() -> None:
    async def story(clock: Clock, dice: random.Random) -> None:
        rig = Rig("a", "b", "c")
        async with rig.control():
            for _ in range(4):
                await rig.device().reboot()
                await asyncio.sleep(60.0)
            assert rig.active("device_reboot_cycle")
            rig.device().break_engine()
            await asyncio.sleep(120.0)
            assert rig.runs() == []
            await asyncio.sleep(300.0)
            assert not rig.active("device_reboot_cycle")
            assert rig.runs()

    run(14, story)

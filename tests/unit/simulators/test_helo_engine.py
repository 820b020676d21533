"""The engine of a simulated HELO: commands, states, recovery, input loss, heat, restarts, calendar."""

from __future__ import annotations

import pytest

from app.simulators.helo.heat import Heat, HeatPlan
from app.simulators.helo.quirks import Locked, Quirks, Refusal
from app.simulators.helo.states import Command
from app.simulators.helo.streaming import Broken
from app.simulators.helo.world import Ingest, Show
from app.simulators.helo.writes import Written
from tests.unit.simulators.stage import TIMING, Scene


def test_a_command_works_later_not_at_once() -> None:
    scene = Scene()
    scene.aim()
    scene.order(Command.START_STREAMING)
    scene.wait(TIMING.command_s - 0.1)
    assert scene.get("ReplicatorStreamState") == "1"
    scene.wait(0.1)
    assert scene.get("ReplicatorStreamState") == "2"
    scene.order(Command.STOP_STREAMING)
    assert scene.get("ReplicatorStreamState") == "2"
    scene.wait(TIMING.command_s)
    assert scene.get("ReplicatorStreamState") == "1"


def test_it_says_streaming_only_when_the_server_took_it() -> None:
    scene = Scene(ingest=Ingest.REAL)
    scene.aim()
    scene.order(Command.START_STREAMING)
    scene.wait(10)
    output = scene.unit.output
    assert output is not None
    assert scene.get("ReplicatorStreamState") == "1"
    scene.unit.live(output.generation, scene.now)
    assert scene.get("ReplicatorStreamState") == "2"


def test_news_of_an_earlier_output_are_not_believed() -> None:
    scene = Scene(ingest=Ingest.REAL)
    scene.aim()
    scene.order(Command.START_STREAMING)
    scene.wait(TIMING.command_s)
    scene.unit.broke(1, Broken.UNREACHABLE, scene.now)
    scene.wait(TIMING.retry_s)
    scene.unit.live(1, scene.now)
    assert scene.get("ReplicatorStreamState") == "4"
    scene.unit.live(2, scene.now)
    assert scene.get("ReplicatorStreamState") == "2"


def test_durations_count_and_return_to_zero() -> None:
    scene = Scene()
    scene.stream()
    scene.wait(3661)
    assert scene.get("StreamingDuration") == "00:01:01:01"
    scene.order(Command.STOP_STREAMING)
    scene.wait(2)
    assert scene.get("StreamingDuration") == "00:00:00:00"


def test_a_server_that_goes_and_comes_back_is_found_again_by_itself() -> None:
    scene = Scene()
    scene.stream()
    scene.play("ingest", behaves="down")
    assert (scene.get("ReplicatorStreamState"), scene.is_on("StreamingFailedAlarm")) == ("4", True)
    scene.wait(20)
    assert scene.get("ReplicatorStreamState") == "4"
    scene.play("ingest", behaves="takes")
    scene.wait(TIMING.retry_s)
    assert (scene.get("ReplicatorStreamState"), scene.is_on("StreamingFailedAlarm")) == ("2", False)


def test_without_auto_recovery_it_stays_failed_until_somebody_acts() -> None:
    scene = Scene()
    scene.put("AutoRecoverStreaming", 0)
    scene.stream()
    scene.play("ingest", behaves="down")
    scene.play("ingest", behaves="takes")
    scene.wait(60)
    assert scene.get("ReplicatorStreamState") == "4"
    scene.order(Command.STOP_STREAMING)
    scene.wait(2)
    assert scene.get("ReplicatorStreamState") == "1"


def test_a_stream_without_an_address_is_refused_and_says_why() -> None:
    scene = Scene()
    scene.put("StreamType", 0)
    assert scene.is_on("Invalid_Selection_Alarm")
    scene.order(Command.START_STREAMING)
    scene.wait(2)
    assert scene.get("ReplicatorStreamState") == "3"
    scene.put("StreamType", 1)
    assert not scene.is_on("Invalid_Selection_Alarm")


def test_a_name_that_does_not_resolve_has_its_own_alarm_and_an_address_has_not() -> None:
    scene = Scene()
    scene.play("names", resolve=False)
    scene.aim()
    scene.order(Command.START_STREAMING)
    scene.wait(2)
    assert (scene.get("ReplicatorStreamState"), scene.is_on("NetworkNameNotFoundAlarm")) == ("4", True)
    scene.order(Command.STOP_STREAMING)
    scene.wait(2)
    scene.put("RTMPServerURL", "rtmp://192.0.2.7/live")
    scene.order(Command.START_STREAMING)
    scene.wait(2)
    assert (scene.get("ReplicatorStreamState"), scene.is_on("NetworkNameNotFoundAlarm")) == ("2", False)


@pytest.mark.parametrize(("policy", "stream", "record"), [(0, "3", "3"), (2, "2", "2")])
def test_a_lost_input_ends_both_or_neither_as_the_policy_says(policy: int, stream: str, record: str) -> None:
    scene = Scene()
    scene.put("LossOfVideoRecordBehavior", policy)
    scene.stream()
    scene.record()
    scene.play("input_lost")
    scene.wait(1)
    assert (scene.get("ReplicatorStreamState"), scene.get("ReplicatorRecordState")) == (stream, record)
    assert scene.is_on("No_Video_Input_Alarm")
    assert scene.unit.look.show is Show.BLACK
    scene.play("input_back")
    assert not scene.is_on("No_Video_Input_Alarm")
    assert scene.unit.look.show is Show.CARD


def test_nothing_starts_without_an_input_but_the_test_pattern_is_one() -> None:
    scene = Scene()
    scene.aim()
    scene.play("input_lost")
    scene.order(Command.START_STREAMING)
    scene.wait(2)
    assert scene.get("ReplicatorStreamState") == "3"
    scene.put("VideoInSelect", 2)
    scene.order(Command.START_STREAMING)
    scene.wait(2)
    assert scene.get("ReplicatorStreamState") == "2"
    assert not scene.is_on("No_Video_Input_Alarm")


def test_another_format_on_the_input_is_an_alarm_for_a_while() -> None:
    scene = Scene()
    scene.play("input_back", hdmi=10)
    assert scene.is_on("Input_Format_Changed_Alarm")
    scene.wait(11)
    assert not scene.is_on("Input_Format_Changed_Alarm")


def test_muted_it_shows_its_pattern_in_silence_and_says_streaming() -> None:
    scene = Scene()
    scene.stream()
    scene.put("AVMute", 1)
    assert scene.unit.look.is_silent
    assert scene.unit.look.show is Show.BLACK
    assert scene.get("ReplicatorStreamState") == "2"


def test_sound_of_another_input_than_the_picture_is_none() -> None:
    scene = Scene()
    scene.put("AudioInSelect", 0)
    assert scene.is_on("AV_Mismatch_Alarm")
    assert scene.unit.look.is_silent


def test_what_is_sent_follows_profile_and_input() -> None:
    scene = Scene(ingest=Ingest.REAL)
    for name, value in {"FrameRate": 1, "VideoBitrate": 4500, "GOPSize": 30, "AudioBitrate": 4}.items():
        scene.put(f"Streaming{name}", value)
    scene.aim()
    scene.order(Command.START_STREAMING)
    scene.wait(2)
    assert scene.unit.output is not None
    plan = scene.unit.output.plan
    assert (plan.width, plan.height, plan.rate.fps) == (1920, 1080, 15.0)
    assert (plan.video_bps, plan.audio_bps, plan.keyframe_interval_ms) == (4_500_000, 192_000, 2_000)
    assert "key" not in repr(scene.unit.output).replace("keyframe", "").replace("key=", "")


@pytest.mark.parametrize(
    ("locked", "written", "width"),
    [
        (Locked.UNCHANGED, Written.OK, "1280"),
        (Locked.ACCEPTED, Written.OK, "640"),
        (Locked.FORBIDDEN, Written.FORBIDDEN, "1280"),
    ],
)
def test_settings_of_a_running_stream_are_locked_in_the_way_that_was_chosen(
    locked: Locked, written: Written, width: str
) -> None:
    scene = Scene(quirks=Quirks(locked=locked))
    scene.stream()
    assert scene.put("StreamingWidth", 640) is written
    assert scene.get("StreamingWidth") == width
    assert scene.put("RecordingWidth", 640) is Written.OK
    assert scene.get("RecordingWidth") == "640", "only what runs is locked"


@pytest.mark.parametrize(
    ("refusal", "written", "width"),
    [
        (Refusal.UNCHANGED, Written.OK, "1280"),
        (Refusal.FORBIDDEN, Written.FORBIDDEN, "1280"),
        (Refusal.CLAMPED, Written.OK, "1920"),
    ],
)
def test_a_value_out_of_range_is_refused_in_the_way_that_was_chosen(
    refusal: Refusal, written: Written, width: str
) -> None:
    scene = Scene(quirks=Quirks(refusal=refusal))
    assert scene.put("StreamingWidth", 9999) is written
    assert scene.get("StreamingWidth") == width


def test_states_cannot_be_written() -> None:
    scene = Scene()
    scene.put("ReplicatorStreamState", 2)
    assert scene.get("ReplicatorStreamState") == "1"


def test_stored_profiles_may_be_edited_while_another_streams() -> None:
    scene = Scene()
    scene.stream()
    scene.put("StreamingWidth_5", 640)
    assert scene.get("StreamingWidth_5") == "640"


def test_the_stored_copy_of_the_profile_that_streams_is_locked_as_the_profile_is() -> None:
    scene = Scene()
    scene.stream()
    scene.put("StreamingWidth_1", 640)
    assert (scene.get("StreamingWidth_1"), scene.get("StreamingWidth")) == ("1280", "1280")


def test_full_hd_twice_is_too_much_unless_both_share_one_encoding() -> None:
    scene = Scene()
    scene.play("input_back", hdmi=15)
    scene.stream()
    assert scene.is_on("Record_Inhibited_Alarm")
    scene.order(Command.START_RECORDING)
    scene.wait(2)
    assert scene.get("ReplicatorRecordState") == "1"
    scene.order(Command.STOP_STREAMING)
    scene.wait(2)
    scene.put("LinkProfiles", 1)
    scene.stream()
    scene.record()


def test_in_transfer_mode_nothing_starts_and_nothing_looks_wrong() -> None:
    scene = Scene()
    scene.aim()
    scene.play("transfer_mode")
    scene.order(Command.START_STREAMING)
    scene.order(Command.START_RECORDING)
    scene.wait(2)
    assert (scene.get("ReplicatorStreamState"), scene.get("ReplicatorRecordState")) == ("1", "1")
    assert (scene.get("MediaStateDebounced"), scene.is_on("StreamingFailedAlarm")) == ("1", False)


def test_a_shut_down_engine_comes_back_only_by_a_restart() -> None:
    scene = Scene()
    scene.stream()
    scene.order(Command.SHUT_DOWN)
    assert (scene.get("ReplicatorStreamState"), scene.get("ReplicatorState")) == ("5", "6")
    scene.order(Command.START_STREAMING)
    scene.wait(2)
    assert scene.get("ReplicatorStreamState") == "5"
    scene.put("Reboot", 1)
    scene.wait(TIMING.down_s + TIMING.boot_s + 1)
    assert (scene.get("ReplicatorStreamState"), scene.get("ReplicatorState")) == ("1", "3")


def test_a_restart_takes_its_time_and_climbs() -> None:
    scene = Scene()
    scene.stream()
    assert scene.put("Reboot", 1) is Written.REBOOTS
    assert scene.unit.output is None
    scene.wait(TIMING.down_s - 1)
    assert not scene.unit.power.is_up(scene.now)
    scene.wait(1)
    seen = []
    for _ in range(9):
        seen.append(scene.get("SystemState"))
        scene.wait(1)
    assert seen == sorted(seen)
    assert {"0", "1", "2", "3", "4"} == set(seen)
    assert scene.get("ReplicatorStreamState") == "1", "PowerUpState is idle"


@pytest.mark.parametrize(("wanted", "states"), [(0, ("1", "1")), (1, ("1", "2")), (2, ("2", "1")), (3, ("2", "2"))])
def test_after_power_up_it_does_what_it_was_told_to(wanted: int, states: tuple[str, str]) -> None:
    scene = Scene()
    scene.aim()
    scene.put("PowerUpState", wanted)
    scene.play("power", on=False)
    scene.wait(5)
    assert not scene.unit.power.is_up(scene.now)
    scene.play("power", on=True)
    scene.wait(TIMING.boot_s + TIMING.command_s + 1)
    assert (scene.get("ReplicatorStreamState"), scene.get("ReplicatorRecordState")) == states


def test_a_unit_without_power_sends_nothing_and_remembers_only_what_is_stored() -> None:
    scene = Scene(ingest=Ingest.REAL)
    scene.aim()
    scene.order(Command.START_STREAMING)
    scene.wait(2)
    scene.put("AVMute", 1)
    assert scene.unit.output is not None
    scene.play("power", on=False)
    assert scene.unit.output is None
    scene.play("power", on=True)
    scene.wait(TIMING.boot_s + 1)
    assert (scene.unit.output, scene.get("AVMute"), scene.get("ReplicatorStreamState")) == (None, "0", "1")


def test_with_the_scheduler_on_the_power_up_state_does_not_count_and_says_so() -> None:
    scene = Scene()
    scene.aim()
    scene.put("PowerUpState", 2)
    scene.put("SchedulerEnabled", 1)
    assert scene.is_on("Scheduler_Takes_Priority_Alarm")
    scene.play("restart", down_s=0.0)
    scene.wait(TIMING.boot_s + 10)
    assert scene.get("ReplicatorStreamState") == "1"


def test_the_calendar_starts_and_stops_by_itself() -> None:
    scene = Scene()
    scene.aim()
    scene.play("calendar_event", begins_s=10.0, lasts_s=30.0)
    scene.wait(9)
    assert (scene.get("SchedulerNextEvent"), scene.get("ReplicatorStreamState")) == ("Event", "1")
    scene.wait(5)
    assert (scene.get("SchedulerCurrentEvent"), scene.get("ReplicatorStreamState")) == ("Event", "2")
    assert scene.is_on("Scheduled_Event_Active_Alarm")
    scene.wait(30)
    assert scene.get("ReplicatorStreamState") == "1"


def test_who_stops_a_scheduled_stream_by_hand_cancels_its_event() -> None:
    scene = Scene()
    scene.aim()
    scene.play("calendar_event")
    scene.wait(5)
    scene.order(Command.STOP_STREAMING)
    scene.wait(5)
    assert (scene.get("ReplicatorStreamState"), scene.is_on("Scheduled_Event_Canceled_Alarm")) == ("1", True)


def test_a_restart_in_the_middle_of_an_event_begins_it_again_late() -> None:
    scene = Scene()
    scene.aim()
    scene.play("calendar_event", lasts_s=600.0)
    scene.wait(5)
    assert not scene.is_on("Scheduled_Event_Late_Alarm")
    scene.put("Reboot", 1)
    scene.wait(TIMING.down_s + TIMING.boot_s + 5)
    assert (scene.get("ReplicatorStreamState"), scene.is_on("Scheduled_Event_Late_Alarm")) == ("2", True)


def test_a_command_to_a_unit_that_is_starting_up_is_lost() -> None:
    scene = Scene()
    scene.aim()
    scene.play("restart", down_s=0.0)
    scene.wait(1)
    scene.order(Command.START_STREAMING)
    scene.wait(TIMING.boot_s + 5)
    assert scene.get("ReplicatorStreamState") == "1"


def test_a_reboot_loop_comes_to_its_end_and_runs_nothing_meanwhile() -> None:
    scene = Scene(ingest=Ingest.REAL)
    scene.aim()
    scene.play("calendar_event", lasts_s=9_999.0)
    scene.play("restart", down_s=1.0, loops=3)
    scene.wait(1 + 3 * TIMING.down_s + 3 * TIMING.boot_s)
    assert (scene.unit.power.starts, scene.unit.streaming.outputs_begun) == (5, 0)
    scene.wait(4 * (TIMING.down_s + TIMING.boot_s) + 10)
    assert scene.unit.power.starts == 1 + 1 + 3
    assert scene.get("SystemState") == "4"


def test_the_recovery_image_says_so() -> None:
    scene = Scene()
    scene.put("Reboot", 2)
    scene.wait(TIMING.down_s + TIMING.boot_s + 1)
    assert (scene.get("SafebootMode"), scene.is_on("Safe_Boot_Mode_Alarm")) == ("1", True)
    scene.put("Reboot", 1)
    scene.wait(TIMING.down_s + TIMING.boot_s + 1)
    assert scene.get("SafebootMode") == "0"


def test_heat_goes_63_percent_of_its_way_in_one_time_constant() -> None:
    plan = HeatPlan(ambient_c=20, idle_rise_c=20, stream_rise_c=10, time_constant_s=100)
    heat = Heat(plan, 0.0)
    assert heat.advance(50.0, is_on=True, streams=False, records=False) == pytest.approx(40.0)
    assert heat.advance(150.0, is_on=True, streams=True, records=False) == pytest.approx(46.32, abs=0.01)
    assert heat.advance(9_999.0, is_on=False, streams=False, records=False) == pytest.approx(20.0)


def test_heat_does_not_depend_on_how_often_it_is_asked() -> None:
    seldom, often = Heat(HeatPlan(), 0.0), Heat(HeatPlan(), 0.0)
    for second in range(1, 301):
        often.advance(float(second), is_on=True, streams=True, records=True)
    seldom.advance(300.0, is_on=True, streams=True, records=True)
    assert seldom.degrees_c == pytest.approx(often.degrees_c)


def test_too_hot_it_warns_then_says_so_then_is_off_until_somebody_switches_it_on() -> None:
    scene = Scene(heat=HeatPlan(time_constant_s=60.0))
    scene.stream()
    scene.play("air", ambient_c=60.0)
    scene.wait(150)
    assert scene.is_on("Near_Over_Temp_Alarm")
    assert scene.get("ReplicatorStreamState") == "2"
    scene.play("temperature", is_c=96.0)
    assert scene.get("ShutdownMessageII") == "4"
    scene.wait(3)
    assert scene.unit.power.is_off
    assert scene.unit.output is None
    scene.play("air")
    scene.wait(600)
    assert scene.unit.power.is_off
    scene.play("power", on=True)
    scene.wait(TIMING.boot_s + 1)
    assert (scene.get("SystemState"), scene.get("ShutdownMessageII")) == ("4", "0")


def test_presets_take_a_moment_and_tell_how_it_went() -> None:
    scene = Scene()
    results = []

    def look(name: str) -> None:
        results.append(scene.get(f"{name}Result"))

    look("RegisterSave")
    scene.put("RegisterSave", 3)
    look("RegisterSave")
    scene.wait(TIMING.preset_s)
    look("RegisterSave")
    for number in (3, 4):
        scene.put("RegisterRecall", number)
        scene.wait(TIMING.preset_s)
        look("RegisterRecall")
    scene.play("preset_fails")
    scene.put("RegisterRecall", 3)
    scene.wait(TIMING.preset_s)
    look("RegisterRecall")
    assert results == ["0", "1", "2", "2", "4", "3"]


def test_a_preset_is_not_recalled_while_it_streams() -> None:
    scene = Scene()
    scene.put("RegisterSave", 1)
    scene.wait(1)
    scene.stream()
    scene.put("RegisterRecall", 1)
    scene.wait(2)
    assert scene.get("RegisterRecallResult") == "3"
    assert scene.get("RTMPServerURL") == "rtmp://ingest.example/live"


def test_its_clock_runs_can_be_wrong_and_can_be_set_to_the_minute() -> None:
    scene = Scene()
    scene.wait(10)
    scene.play("clock", offset_s=120.0)
    assert int(scene.get("SystemTime")) == 1_800_000_130
    scene.put("DateSet", "01/15/2027 08:00")
    scene.wait(1)
    assert int(scene.get("SystemTime")) == 1_800_000_001
    scene.play("power", on=False, clock_kept=False)
    scene.play("power", on=True)
    scene.wait(TIMING.boot_s)
    assert int(scene.get("SystemTime")) < 946_684_900, "it wakes in the year 2000"


def test_templates_and_clones_fill_the_current_profile() -> None:
    scene = Scene()
    scene.put("StreamingTemplateSrc", 6)
    scene.put("CopyStreamingTemplate", 0)
    assert [scene.get(f"Streaming{n}") for n in ("Width", "Height", "VideoBitrate")] == ["640", "360", "800"]
    scene.put("StreamingProfileSel", 3)
    scene.put("StreamingProfileSrc", 1)
    scene.put("CloneStreamingProfile", 0)
    assert scene.get("StreamingWidth_4") == "640"


def test_a_bit_rate_that_is_too_much_is_cut_and_told() -> None:
    scene = Scene(ingest=Ingest.REAL)
    scene.play("bitrate_limit", kbps=6000)
    scene.put("StreamingVideoBitrate", 8000)
    assert scene.is_on("BitRate_Not_Compatible_Alarm")
    scene.aim()
    scene.order(Command.START_STREAMING)
    scene.wait(2)
    assert scene.unit.output is not None
    assert scene.unit.output.plan.video_bps == 6_000_000


@pytest.mark.parametrize(("behaviour", "state"), [(0, "2"), (1, "4")])
def test_a_network_too_slow_drops_frames_or_ends_the_stream(behaviour: int, state: str) -> None:
    scene = Scene()
    scene.put("StreamingDroppedFrameBhvr", behaviour)
    scene.stream()
    scene.play("network", on=True, slow=True)
    assert scene.get("ReplicatorStreamState") == state
    assert scene.is_on("Network_Too_Slow_Alarm")

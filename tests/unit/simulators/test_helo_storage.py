"""Recording of a simulated HELO: the limits of its media, and what is done to them."""

from __future__ import annotations

import pytest

from app.simulators.helo.states import Command
from tests.unit.simulators.stage import Scene


@pytest.mark.parametrize(
    ("free", "low", "full", "ready"), [(16, False, False, "1"), (14, True, False, "1"), (9, True, True, "0")]
)
def test_a_card_warns_at_15_percent_and_takes_no_new_recording_at_10(
    free: int, low: bool, full: bool, ready: str
) -> None:
    scene = Scene()
    scene.play("medium", free_percent=free)
    assert scene.get("CurrentMediaAvailable") == str(free)
    assert (scene.is_on("Media_Low_Alarm"), scene.is_on("Media_Full_Alarm")) == (low, full)
    assert scene.get("MediaRecordReady") == ready
    scene.order(Command.START_RECORDING)
    scene.wait(2)
    assert scene.get("ReplicatorRecordState") == ("3" if full else "2")


@pytest.mark.parametrize(("free", "low", "full"), [(8, False, False), (6, True, False), (4, True, True)])
def test_a_share_has_limits_of_its_own(free: int, low: bool, full: bool) -> None:
    scene = Scene()
    scene.play("medium_inserted", place="smb", mounts_after_s=0.0)
    scene.put("RecordingDestination", 2)
    scene.play("medium", place="smb", free_percent=free)
    assert (scene.is_on("Media_Low_Alarm"), scene.is_on("Media_Full_Alarm")) == (low, full)


def test_a_recording_begun_goes_on_below_10_percent_and_ends_at_1() -> None:
    scene = Scene()
    scene.record()
    scene.play("medium", free_percent=3)
    scene.wait(1)
    assert scene.get("ReplicatorRecordState") == "2"
    assert not scene.is_on("Media_Full_Alarm")
    scene.play("medium", free_percent=1)
    scene.wait(1)
    assert scene.get("ReplicatorRecordState") == "3"
    assert scene.is_on("Media_Full_Alarm")
    assert scene.is_on("RecordingFailedAlarm")


def test_recording_uses_up_the_card() -> None:
    scene = Scene()
    before = int(scene.get("CurrentMediaUnusedBytes"))
    scene.record()
    scene.wait(100)
    used = before - int(scene.get("CurrentMediaUnusedBytes"))
    assert used == pytest.approx(100 * 20_128_000 / 8, rel=0.03)


def test_a_card_pulled_while_recording_needs_a_restart() -> None:
    scene = Scene()
    scene.record()
    scene.play("medium_pulled")
    scene.wait(1)
    assert (scene.get("ReplicatorRecordState"), scene.is_on("Storage_Removed_Alarm")) == ("4", True)
    scene.play("medium_inserted", mounts_after_s=0.0)
    scene.order(Command.START_RECORDING)
    scene.wait(2)
    assert scene.get("ReplicatorRecordState") == "4"
    scene.play("restart", down_s=0.0)
    scene.wait(20)
    assert (scene.get("ReplicatorRecordState"), scene.is_on("Storage_Removed_Alarm")) == ("1", False)
    scene.record()


def test_a_share_may_take_two_minutes_to_mount() -> None:
    scene = Scene()
    scene.put("RecordingDestination", 2)
    assert scene.is_on("Remote_Media_Mount_Failed_Alarm")
    scene.play("medium_inserted", place="smb", mounts_after_s=120.0)
    scene.wait(119)
    assert (scene.get("CurrentMediaMounted"), scene.get("MediaLoading")) == ("0", "1")
    scene.wait(2)
    assert (scene.get("CurrentMediaMounted"), scene.get("MediaLoading")) == ("1", "0")


def test_a_slow_medium_ends_a_recording_only_when_it_should() -> None:
    for policy, state in ((0, "2"), (1, "1")):
        scene = Scene()
        scene.put("RecordingDroppedFrameBhvr", policy)
        scene.record()
        scene.play("medium", is_slow=True)
        scene.wait(2)
        assert scene.get("ReplicatorRecordState") == state
        assert scene.is_on("Media_Too_Slow_Alarm") is (state == "2")


@pytest.mark.parametrize(
    ("fault", "alarm"),
    [
        ("is_damaged", "Media_Damaged_Alarm"),
        ("is_locked", "SD_Card_Write_Protected_Alarm"),
    ],
)
def test_a_medium_that_cannot_be_written_says_why(fault: str, alarm: str) -> None:
    scene = Scene()
    scene.play("medium", **{fault: True})
    assert scene.is_on(alarm)
    scene.order(Command.START_RECORDING)
    scene.wait(2)
    assert scene.get("ReplicatorRecordState") == "3"
    scene.play("medium")
    assert not scene.is_on(alarm)


def test_changing_the_slot_goes_to_the_stick_or_says_why_not() -> None:
    scene = Scene()
    scene.put("ChangeSlot", 6)
    assert (scene.get("ChangeSlot"), scene.get("RecordingDestination")) == ("13", "0")
    scene.play("medium_inserted", place="usb", mounts_after_s=0.0)
    scene.play("medium", place="usb", is_formatted=False)
    scene.put("ChangeSlot", 6)
    assert scene.get("ChangeSlot") == "10"
    scene.play("medium", place="usb", free_percent=5)
    scene.put("ChangeSlot", 6)
    assert scene.get("ChangeSlot") == "12"
    scene.play("medium", place="usb", free_percent=90)
    scene.put("ChangeSlot", 6)
    assert (scene.get("ChangeSlot"), scene.get("RecordingDestination")) == ("0", "1")
    scene.record()
    scene.put("ChangeSlot", 6)
    assert (scene.get("ChangeSlot"), scene.get("RecordingDestination")) == ("15", "1")


def test_clips_are_numbered_counted_and_deleted() -> None:
    scene = Scene()
    scene.put("FilenamePrefix", "show")
    scene.record()
    assert scene.get("RecordingFilename") == "show_001_000001.mp4"
    scene.order(Command.STOP_RECORDING)
    scene.wait(2)
    scene.record()
    scene.wait(3601)
    assert scene.get("RecordingFilename") == "show_002_000002.mp4", "an hour is a file"
    scene.order(Command.STOP_RECORDING)
    scene.wait(2)
    clips = scene.unit.storage.media[0].clips
    assert clips == ["show_001_000001.mp4", "show_002_000001.mp4", "show_002_000002.mp4"]
    scene.put("ClipToDelete", clips[0])
    assert len(scene.unit.storage.media[0].clips) == 2
    assert scene.get("MediaUpdated") == "1"


def test_formatting_empties_the_medium_and_is_refused_while_recording() -> None:
    scene = Scene()
    scene.record()
    scene.put("StorageCommand", 4)
    scene.wait(1)
    assert scene.get("ReplicatorRecordState") == "2"
    scene.order(Command.STOP_RECORDING)
    scene.wait(2)
    scene.put("StorageCommand", 4)
    assert scene.unit.storage.media[0].clips == []
    assert scene.get("CurrentMediaAvailable") == "99"

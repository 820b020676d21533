"""The parameters of a simulated HELO: how many, what they take, profiles behind plain names, presets, restarts."""

from __future__ import annotations

import pytest

from app.simulators.helo.alarms import alarm_value
from app.simulators.helo.answers import descriptor
from app.simulators.helo.memory import Memory
from app.simulators.helo.parameters import Kind, catalogue, plus_catalogue
from app.simulators.helo.polls import Polls, events


def test_the_firmware_has_its_971_parameters_of_the_known_kinds() -> None:
    kinds = [parameter.kind for parameter in catalogue().values()]
    assert len(kinds) == 971
    assert kinds.count(Kind.DATA) == 64
    assert {name: kinds.count(Kind(name)) for name in ("enum", "string", "integer")} == {
        "enum": 394,
        "string": 325,
        "integer": 188,
    }


def test_numeric_ids_are_the_published_ones_and_all_different() -> None:
    numbers = {name: parameter.number for name, parameter in plus_catalogue().items()}
    assert numbers["ReplicatorRecordState"] == 2097225226
    assert len(set(numbers.values())) == len(numbers)


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("VideoInSelect", "2", True),
        ("VideoInSelect", "3", False),
        ("VideoInSelect", "HDMI", False),
        ("StreamingWidth", "1920", True),
        ("StreamingWidth", "1921", False),
        ("StreamingDisplayAspectRatio", "1", True),
        ("SystemName", "anything & more", True),
    ],
)
def test_a_value_fits_or_does_not(name: str, value: str, fits: bool) -> None:
    assert catalogue()[name].takes(value) is fits


def test_only_a_plus_takes_a_layout_as_its_source() -> None:
    assert plus_catalogue()["VideoInSelect"].takes("3")
    assert "LayoutSelector" not in catalogue()


def test_a_value_out_of_range_is_clamped_to_the_nearest() -> None:
    assert catalogue()["StreamingWidth"].clamped("5000") == "1920"
    assert catalogue()["StreamingWidth"].clamped("1") == "176"
    assert catalogue()["VideoInSelect"].clamped("9") == "2"


def test_plain_names_stand_for_the_selected_profile() -> None:
    memory = Memory(catalogue())
    memory.put("StreamingWidth_3", 640)
    memory.put("StreamingProfileSel", 2)
    assert memory.get("StreamingWidth") == "640"
    memory.put("StreamingWidth", 960)
    memory.put("StreamingProfileSel", 0)
    assert (memory.get("StreamingWidth"), memory.get("StreamingWidth_3")) == ("1280", "960")


def test_choosing_a_profile_changes_every_plain_field_for_those_who_listen() -> None:
    memory = Memory(catalogue())
    before = memory.changes
    memory.put("StreamingProfileSel", 4)
    changed = {change.parameter.name for change in memory.since(before)}
    assert {"StreamingProfileSel", "StreamingWidth", "RTMPServerURL"} <= changed


def test_a_preset_brings_back_selection_and_profile_and_nothing_of_the_network() -> None:
    memory = Memory(catalogue())
    memory.put("StreamingProfileSel", 1)
    memory.put("RTMPServerURL", "rtmp://a/live")
    memory.save_preset(7)
    memory.put("RTMPServerURL", "rtmp://b/live")
    memory.put("StreamingProfileSel", 0)
    memory.put("NTPServer", "time.example")
    memory.recall_preset(7)
    assert (memory.get("StreamingProfileSel"), memory.get("RTMPServerURL")) == ("1", "rtmp://a/live")
    assert memory.get("NTPServer") == "time.example"


def test_a_restart_keeps_what_is_stored_and_forgets_the_rest() -> None:
    memory = Memory(catalogue())
    for name, value in {"StreamingWidth": 960, "PowerUpState": 2, "AVMute": 1, "MediaState": 1}.items():
        memory.put(name, value)
    memory.restart()
    assert [memory.get(n) for n in ("StreamingWidth", "PowerUpState", "AVMute", "MediaState")] == [
        "960",
        "2",
        "0",
        "0",
    ]


def test_a_hard_reset_forgets_everything_a_soft_one_keeps_the_network() -> None:
    memory = Memory(catalogue())
    for everything, left in ((False, "time.example"), (True, "ntp.aja.com")):
        memory.put("NTPServer", "time.example")
        memory.put("RTMPServerURL_2", "rtmp://a/live")
        memory.forget(everything=everything)
        assert (memory.get("RTMPServerURL_2"), memory.get("NTPServer")) == ("", left)


def test_a_writer_of_the_same_value_changes_nothing() -> None:
    memory = Memory(catalogue())
    memory.put("SystemName", "north")
    before = memory.changes
    memory.put("SystemName", "north")
    assert memory.changes == before


def test_alarms_look_like_the_published_examples() -> None:
    assert alarm_value(is_active=False, severity="warning") == "CAAQAA=="
    assert alarm_value(is_active=True, severity="warning") == "CAEQAA=="
    assert alarm_value(is_active=False, severity="error") == "CAAQAQ=="
    text = alarm_value(is_active=True, severity="error", text="No link")
    assert text == "CAEQARoSCgdObyBsaW5rEgdObyBsaW5r"


def test_a_descriptor_names_type_range_and_values() -> None:
    described = descriptor(catalogue()["Authentication"])
    assert described["param_type"] == "enum"
    assert described["enum_values"][1] == {"value": 1, "text": "Login", "short_text": "Login"}
    assert (described["min_value"], described["max_value"], described["default_value"]) == (0, 1, 0)
    assert "alarm" in descriptor(catalogue()["Media_Full_Alarm"])["class_names"]
    assert "readonly" in descriptor(catalogue()["Temperature"])["class_names"]


def test_events_are_strings_and_tell_each_parameter_once_with_its_latest_value() -> None:
    memory = Memory(catalogue())
    memory.put("SystemName", "a")
    memory.put("SystemName", "b")
    memory.put("VideoInSelect", 2)
    name, source = events(memory.since(0))
    assert (name["param_id"], name["str_value"], name["int_value"]) == ("eParamID_SystemName", "b", "0")
    assert (source["int_value"], source["str_value"]) == ("2", "Test Pattern")


def test_a_connection_that_nobody_waits_on_ends_and_ids_begin_low_after_a_restart() -> None:
    polls = Polls(life_s=60.0)
    first = polls.open(0.0, changes=5)
    assert polls.seen(first, 59.0) == 5
    assert polls.seen(first, 118.0) == 5, "waiting counts as use"
    assert polls.seen(first, 179.0) is None
    assert polls.open(180.0, changes=0) == first + 1
    polls.forget()
    assert polls.open(200.0, changes=0) == 1


def test_no_more_connections_are_kept_than_a_small_device_can_hold() -> None:
    polls = Polls(life_s=60.0)
    opened = [polls.open(float(at), changes=0) for at in range(70)]
    known = [number for number in opened if polls.seen(number, 69.0) is not None]
    assert len(known) < 70
    assert opened[-1] in known

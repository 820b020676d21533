"""What a HELO sends, read strictly, and what it means."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.encoders.helo import parameters as p
from app.adapters.encoders.helo.alarms import read_alarm
from app.adapters.encoders.helo.descriptors import DescriptorCache, capabilities, read_descriptors
from app.adapters.encoders.helo.reading import build, duration_s, epoch_s
from app.adapters.encoders.helo.wire import (
    Garbled,
    Parameter,
    read_connection,
    read_events,
    read_login,
    read_parameter,
    session_cookie,
    set_query,
)
from app.domain.device import DeviceAlarm, DeviceReading, EngineState, Medium

AT = datetime(2030, 1, 1, tzinfo=UTC)


def answer(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def reading(**values: str) -> DeviceReading:
    return build(values, (), at=AT, offset_s=None)


def test_values_are_text_and_a_number_in_their_place_is_taken_too() -> None:
    assert read_parameter(answer(name="eParamID_X", value="2", value_name="eRRSx"), "X") == Parameter("X", "2")
    assert read_parameter(answer(name="eParamID_X", value=2), "X") == Parameter("X", "2")


def test_an_empty_value_that_is_called_invalid_means_that_there_is_no_such_parameter() -> None:
    assert read_parameter(answer(name="eParamID_X", value="", value_name="Invalid"), "X") is None
    assert read_parameter(answer(name="eParamID_X", value="3", value_name="Invalid"), "X") == Parameter("X", "3")
    assert read_parameter(answer(name="eParamID_X", value="", value_name=""), "X") == Parameter("X", "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"name":"eParamID_X","val',
        b"<html></html>",
        answer(name="eParamID_Y", value="1"),
        answer(name="eParamID_X"),
        answer(name="eParamID_X", value=True),
        answer(name="eParamID_X", value="1" * 10_000),
    ],
)
def test_what_is_no_answer_to_the_question_is_refused(body: bytes) -> None:
    with pytest.raises(Garbled):
        read_parameter(body, "X")


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    for read in (lambda b: read_parameter(b, "X"), read_login, read_connection, read_events, read_descriptors):
        try:
            read(body)
        except Garbled:
            continue


def test_texts_are_escaped_in_a_write() -> None:
    assert set_query("RTMPStreamName", "a&b=c d").endswith("&value=a%26b%3Dc%20d")


def test_the_cookie_is_found_and_one_that_means_a_refusal_is_none() -> None:
    assert session_cookie("session=0000000e-5Qn9uwpi; path=/") == "0000000e-5Qn9uwpi"
    assert session_cookie("session=invalid; path=/") is None
    assert session_cookie("other=1") is None


def test_a_connection_id_may_be_text_or_number_and_zero_is_a_refusal() -> None:
    assert read_connection(answer(connectionid="20")) == "20"
    assert read_connection(answer(connectionid=20)) == "20"
    assert read_connection(answer(connectionid="0")) is None
    assert read_connection(answer()) is None


def test_events_name_what_changed_and_a_wait_without_changes_names_nothing() -> None:
    body = json.dumps([{"param_id": "eParamID_A", "int_value": "1"}, {"services": []}, 7]).encode()
    assert read_events(body) == {"A"}
    for empty in (b"", b"[]", b"{}"):
        assert read_events(empty) == frozenset()


@pytest.mark.parametrize(
    ("value", "alarm"),
    [
        ("CAAQAA==", None),
        ("CAAQAQ==", None),
        ("", None),
        ("CAEQAA==", DeviceAlarm("A", "warning", "")),
        ("CAEQAQ==", DeviceAlarm("A", "error", "")),
        ("CAEQARoSCgdObyBsaW5rEgdObyBsaW5r", DeviceAlarm("A", "error", "No link")),
    ],
)
def test_only_the_state_says_whether_an_alarm_is_active(value: str, alarm: DeviceAlarm | None) -> None:
    assert read_alarm("A", value) == alarm


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_an_alarm_of_any_text_is_read_or_refused(value: str) -> None:
    try:
        read_alarm("A", value)
    except Garbled:
        return


def test_what_was_not_told_is_unknown() -> None:
    assert reading() == DeviceReading(at=AT, media=(Medium("primary"),))


def test_a_temperature_of_zero_is_one_that_was_not_read_yet() -> None:
    assert reading(Temperature="0").temperature_c is None
    assert reading(Temperature="65535").temperature_c is None
    assert reading(Temperature="41").temperature_c == 41.0


def test_an_input_is_told_by_its_number_and_no_input_is_not_the_same_as_unknown() -> None:
    assert (reading(DetectInputFormat="0").has_input, reading(DetectInputFormat="0").input_format) == (False, None)
    assert reading(DetectInputFormat="1").has_input is False
    assert reading(DetectInputFormat="16").input_format == "1920x1080p 59.94"
    assert (reading(DetectInputFormat="77").has_input, reading(DetectInputFormat="77").input_format) == (True, None)


def test_before_its_video_part_is_up_nothing_is_known_of_its_input() -> None:
    booting = reading(SystemState="2", FirmwareStatus="0", DetectInputFormat="0")
    assert (booting.has_input, booting.input_format) == (None, None)
    assert reading(SystemState="4", FirmwareStatus="2", DetectInputFormat="0").has_input is False


def test_every_state_has_its_meaning_and_a_strange_one_none() -> None:
    states = [reading(ReplicatorStreamState=str(code)).streaming for code in range(7)]
    assert states == [*EngineState, None]


def test_free_space_counts_only_with_a_medium() -> None:
    gone = reading(CurrentMediaMounted="0", CurrentMediaAvailable="0", CurrentMediaUnusedBytes="0")
    assert gone.media == (Medium("primary", is_mounted=False),)
    there = reading(
        CurrentMediaMounted="1", CurrentMediaAvailable="9", CurrentMediaUnusedBytes="90",
        CurrentMediaTotalBytes="1000", MediaRecordReady="0", FilesystemType="exfat",
    )  # fmt: skip
    assert there.media == (
        Medium("primary", True, False, free_percent=9.0, free_bytes=90, total_bytes=1000, filesystem="exfat"),
    )


def test_it_is_well_only_when_it_said_so_and_ill_as_soon_as_one_part_is() -> None:
    assert reading(FirmwareStatus="2").is_well is None
    assert reading(SystemState="4", FirmwareStatus="2").is_well is True
    assert reading(SystemState="4", SafebootMode="1").is_well is False
    assert reading(SystemState="2").is_well is False


def test_a_duration_is_days_hours_minutes_seconds() -> None:
    assert duration_s("01:02:03:04") == 86_400 + 7_200 + 180 + 4
    for strange in (None, "", "12", "0:0:0", "00:00:00:77"):
        assert duration_s(strange) is None


def test_without_a_stream_there_is_no_duration_of_it() -> None:
    assert reading(ReplicatorStreamState="1", StreamingDuration="00:00:00:00").streaming_s is None
    assert reading(ReplicatorStreamState="2", StreamingDuration="00:00:00:07").streaming_s == 7.0


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_the_size_of_the_device_time_tells_its_unit(unit: int) -> None:
    assert epoch_s(str(1_900_000_000 * unit)) == pytest.approx(1_900_000_000)
    assert epoch_s(str(12_345)) is None


def test_names_lose_what_cannot_be_shown() -> None:
    assert reading(SystemName="a\x1b[2Jb\n").system_name == "a[2Jb"


def descriptor(name: str, **fields: object) -> dict[str, object]:
    return {"param_id": f"eParamID_{name}", "param_type": "integer", **fields}


def test_what_it_can_do_is_what_its_descriptors_say() -> None:
    found = read_descriptors(
        json.dumps(
            [
                descriptor("ReplicatorCommand"),
                descriptor("StreamingWidth", min_value=176, max_value=1280),
                descriptor("StreamingHeight", min_value=700, max_value=0),
                descriptor("LayoutSelector"),
                descriptor("EncodeType", enum_values=[{"value": 18, "text": "H.264"}]),
                descriptor("New_Alarm", param_type="data"),
                descriptor("Marked", param_type="data", class_names=["alarm"]),
                descriptor("SchedulerLocalCalendarFile", param_type="data"),
                "strange",
                {"param_id": 7},
            ]
        ).encode()
    )
    assert (found.width, found.height, found.is_plus) == (1280, 1080, True)
    assert found.alarms == ("Marked", "New_Alarm")
    able = capabilities(found, firmware="4.3")
    assert (able.max_streams, able.cpu_cores, able.memory_bytes) == (1, None, None)
    assert [(probe.codec, probe.works) for probe in able.probes] == [("h264", True)]
    assert able.build == "helo_plus 4.3"


def test_an_id_that_would_be_more_than_an_id_in_an_address_is_none() -> None:
    strange = ("A&action=set&paramid=eParamID_Reboot&value=1", "A b", "A#", "Alarm\r\n", "é_Alarm")
    listed = [descriptor(name, param_type="data", class_names=["alarm"]) for name in (*strange, "2_Alarm")]
    found = read_descriptors(json.dumps([descriptor("ReplicatorCommand"), *listed]).encode())
    assert found.ids == {"ReplicatorCommand", "2_Alarm"}
    assert found.alarms == ("2_Alarm",)


def test_devices_with_the_same_list_share_it() -> None:
    cache, body = DescriptorCache(), json.dumps([descriptor("ReplicatorCommand")]).encode()
    for serial in ("one", "another"):
        cache.put(serial, "4.3", read_descriptors(body))
    assert cache.get("one", "4.3") is cache.get("another", "4.3")


def test_a_list_without_the_command_is_not_that_of_an_encoder() -> None:
    with pytest.raises(Garbled):
        read_descriptors(b"[]")


def test_every_format_with_a_name_has_a_size_and_a_rate() -> None:
    named = [code for code in range(50) if p.input_format(code) is not None]
    assert len(named) == 37
    assert all(p.raster(code) is not None for code in named)
    assert p.raster(13) == (720, 486, 29.97)

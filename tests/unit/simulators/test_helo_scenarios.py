"""Scenarios are played by name with words or numbers, and refuse what they do not know."""

from __future__ import annotations

import pytest

from app.simulators.helo.faults import Faults
from app.simulators.helo.scenarios import catalogue
from tests.unit.simulators.stage import Scene


def test_every_scenario_says_what_it_does_and_can_be_played_as_it_is() -> None:
    needs_more = {"somebody_writes", "alarm"}
    for name, about in catalogue().items():
        assert about["does"], name
        if name not in needs_more:
            Scene().play(name)


def test_parameters_may_come_as_words() -> None:
    scene = Scene()
    scene.play("medium", free_percent="9", is_locked="true")
    assert scene.get("CurrentMediaAvailable") == "9"
    assert scene.is_on("SD_Card_Write_Protected_Alarm")


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("nothing_like_it", {}),
        ("air", {"degrees": 3}),
        ("air", {"ambient_c": "warm"}),
        ("hang", {"on": 1}),
        ("names", {"resolve": "perhaps"}),
        ("picture", {"shows": "fireworks"}),
        ("medium", {"place": "floppy"}),
        ("alarm", {"parameter": "SystemName"}),
        ("somebody_writes", {"parameter": "Nonsense", "value": "1"}),
        ("somebody_writes", {"parameter": "StreamingProfileSel", "value": "first"}),
    ],
)
def test_what_no_scenario_understands_is_refused(name: str, how: dict[str, object]) -> None:
    scene = Scene()
    with pytest.raises(ValueError):
        scene.play(name, **how)


def test_any_alarm_can_be_raised_and_taken_back() -> None:
    scene = Scene()
    scene.play("alarm", parameter="HW_Error_Alarm")
    assert scene.is_on("HW_Error_Alarm")
    scene.play("alarm", parameter="HW_Error_Alarm", on=False)
    assert not scene.is_on("HW_Error_Alarm")


def test_another_person_may_write_what_is_locked() -> None:
    scene = Scene()
    scene.stream()
    scene.play("somebody_writes", parameter="RTMPStreamName", value="theirs")
    assert scene.get("RTMPStreamName") == "theirs"


def test_when_all_is_well_again_nothing_is_left() -> None:
    scene = Scene()
    scene.stream()
    before = scene.unit.alarms_shown
    for name in ("input_lost", "silence", "names", "network", "hang", "cut_answers", "nonsense"):
        scene.play(name)
    scene.play("well")
    scene.wait(15)
    assert scene.unit.alarms_shown == before
    assert scene.get("ReplicatorStreamState") == "2"
    assert scene.faults == Faults()

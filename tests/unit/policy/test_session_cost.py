"""What sessions cost is learned from many good readings, forgotten in bounds, and used where it is known."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.encoder import WorkerReading
from app.domain.ids import StreamId, WorkerId
from app.domain.ladder import FrameRate, Ladder, Rendition
from app.domain.stream import EncodeSettings
from app.policy import session_cost
from app.policy.placement import PLANNED_CPU_SHARE, Need, judge
from app.policy.session_cost import MARGIN, READINGS_LEAST, SessionCosts, SessionShape, shape_of
from tests.unit.policy.fleets import standing

SHAPE = SessionShape("auto", "veryfast", ((1920, 1080, 30.0),))
WORKER = WorkerReading(WorkerId("w"), StreamId("s"), 1, cpu_percent=150.0, frames_encoded=10, speed=1.0)


def fed(costs: SessionCosts, *percents: float | None, **changes: object) -> SessionCosts:
    for percent in percents:
        worker = dataclasses.replace(WORKER, cpu_percent=percent, **changes)  # type: ignore[arg-type]
        costs.feed(SHAPE, "cpu", worker)
    return costs


def test_a_shape_is_codec_preset_sizes_and_rates() -> None:
    ladder = Ladder((Rendition("a", 1280, 720, FrameRate(30000, 1001), 3_000_000),))
    other_bitrate = Ladder((dataclasses.replace(ladder.renditions[0], video_bps=4_000_000),))
    shape = shape_of(EncodeSettings(ladder, 2000))
    assert shape == SessionShape("auto", "veryfast", ((1280, 720, 29.97),))
    assert shape_of(EncodeSettings(other_bitrate, 4000)) == shape
    assert shape_of(EncodeSettings(ladder, 2000, preset="medium")) != shape


def test_nothing_is_known_before_there_are_enough_readings() -> None:
    costs = fed(SessionCosts(), *[150.0] * (READINGS_LEAST - 1))
    assert costs.cores(SHAPE) == ()
    assert fed(costs, 150.0).cores(SHAPE) == (("cpu", pytest.approx(1.5 * MARGIN)),)
    assert costs.cores(dataclasses.replace(SHAPE, preset="medium")) == ()
    assert costs.cores(None) == ()


@given(st.lists(st.floats(1.0, 6400.0), max_size=20))
def test_wild_readings_that_are_fewer_than_half_move_the_estimate_nowhere(wild: list[float]) -> None:
    costs = fed(SessionCosts(), *[100.0] * 41, *wild, *[100.0] * 9)
    assert costs.cores(SHAPE) == (("cpu", pytest.approx(MARGIN)),)


def test_a_cost_that_changes_for_good_is_followed() -> None:
    costs = fed(SessionCosts(), *[100.0] * 100, *[300.0] * 100)
    assert costs.cores(SHAPE) == (("cpu", pytest.approx(3.0 * MARGIN)),)


@pytest.mark.parametrize(
    "useless",
    [
        {"speed": None},
        {"speed": 0.8},
        {"frames_encoded": 0},
        {"codec": "h264_nvenc"},
    ],
)
def test_workers_that_idle_fall_behind_or_use_other_hardware_teach_nothing(useless: dict[str, object]) -> None:
    assert fed(SessionCosts(), *[150.0] * 100, **useless).cores(SHAPE) == ()


@pytest.mark.parametrize("percent", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_share_of_a_processor_teaches_nothing(percent: float | None) -> None:
    assert fed(SessionCosts(), *[percent] * 100).cores(SHAPE) == ()


def test_shapes_are_forgotten_and_models_refused_beyond_their_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_cost, "SHAPES_MOST", 3)
    monkeypatch.setattr(session_cost, "MODELS_MOST", 2)
    costs = SessionCosts()
    shapes = [dataclasses.replace(SHAPE, codec=f"c{number}") for number in range(4)]
    for shape in (shapes[0], shapes[1], shapes[2], shapes[0], shapes[3]):
        for model in ("one", "two", "three"):
            for _ in range(READINGS_LEAST):
                costs.feed(shape, model, WORKER)
    assert costs.cores(shapes[1]) == (), "not met for the longest time"
    assert [model for model, _ in costs.cores(shapes[0])] == ["one", "two"]
    assert {cost.codec for cost in costs.learned()} == {"c0", "c2", "c3"}


def test_a_measured_cost_counts_in_place_of_pixels_on_the_models_it_is_known_of() -> None:
    need = Need(30e6, "auto", cores=(("cpu", 3.2),))
    known, unknown = standing("a", model="cpu"), standing("b", model="another")
    assert need.pixels_on(known.info.capabilities) == pytest.approx(3.2 / (8 * PLANNED_CPU_SHARE) * 300e6)
    assert need.pixels_on(unknown.info.capabilities) == 30e6
    full = dataclasses.replace(known, promised_pixels_per_s=200e6)
    assert "150.0 Mpixel/s are needed" in judge(full, need).vetoes[0].text
    assert not judge(dataclasses.replace(unknown, promised_pixels_per_s=200e6), need).vetoes

"""Who is chosen and who is not: small fleets, one difference each."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.encoder import (
    Capabilities,
    CodecProbe,
    EncoderInfo,
    EncoderKind,
    EncoderReading,
    EncoderState,
)
from app.domain.ids import EncoderId, HostId, NodeId
from app.domain.ladder import FrameRate, Ladder, Rendition
from app.policy.placement import SLOW_START_LEAST, TEMPERATURE_STOP_C, Need, Standing, ladder_cost, weight
from app.policy.ranking import choose, choose_backup, rank

NEED = Need(30e6, "auto")
WELL = EncoderReading(cpu_percent=20.0, memory_percent=30.0, temperature_c=50.0)


def standing(name: str, **changes: object) -> Standing:
    """An encoder at rest; `host`, `probes`, `max_streams`, `build`, `region` go into its info."""
    info = EncoderInfo(
        EncoderId(name),
        NodeId(f"node-{name}"),
        HostId(str(changes.pop("host", f"host-{name}"))),
        EncoderKind.SOFTWARE,
        name,
        Capabilities(
            None, 8, 1 << 33, (),
            changes.pop("probes", (CodecProbe("libx264", True),)),  # type: ignore[arg-type]
            changes.pop("max_streams", 10),  # type: ignore[arg-type]
            300e6,
            str(changes.pop("build", "1")),
        ),
        region=changes.pop("region", None),  # type: ignore[arg-type]
    )  # fmt: skip
    base = Standing(info, EncoderState.ONLINE, None, WELL, 1000.0, 0.0, 0)
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def first(*standings: Standing, need: Need = NEED) -> str | None:
    chosen = choose(rank(standings, need)).primary
    return None if chosen is None else chosen.encoder_id


def reading(**changes: float | None) -> EncoderReading:
    return dataclasses.replace(WELL, **changes)  # type: ignore[arg-type]


def test_the_cost_of_a_ladder_is_its_pixels_per_second() -> None:
    rungs = (
        Rendition("720p", 1280, 720, FrameRate(30), 1),
        Rendition("360p", 640, 360, FrameRate(30000, 1001), 1),
    )
    assert ladder_cost(Ladder(rungs)) == pytest.approx(1280 * 720 * 30 + 640 * 360 * 29.97, rel=1e-5)
    assert ladder_cost(Ladder(())) > 0


@pytest.mark.parametrize(
    ("worse", "why"),
    [
        ({"promised_pixels_per_s": 100e6, "promised_streams": 2}, "load"),
        ({"reading": reading(cpu_percent=90.0)}, "cpu"),
        ({"reading": reading(memory_percent=90.0)}, "memory"),
        ({"reading": reading(temperature_c=75.0)}, "temperature"),
        ({"reading": None}, "what is not known is not good"),
        ({"reading": reading(cpu_percent=None)}, "an unknown CPU is not an idle one"),
        ({"here_for_s": 5.0}, "a newcomer starts slowly"),
        ({"failures_lately": 1}, "it lost a worker lately"),
        ({"ejected": "rests"}, "it comes and goes"),
    ],
)
def test_the_better_of_two_is_chosen_whatever_its_name(worse: dict[str, object], why: str) -> None:
    assert first(standing("a", **worse), standing("b")) == "b", why
    assert first(standing("a"), standing("b", **worse)) == "a", why


@pytest.mark.parametrize(
    ("unfit", "word"),
    [
        ({"state": EncoderState.SUSPECT}, "suspect"),
        ({"state": EncoderState.OFFLINE}, "offline"),
        ({"state": EncoderState.DRAINING}, "draining"),
        ({"state": EncoderState.STOPPED}, "stopped"),
        ({"promised_streams": 10}, "10 places"),
        ({"promised_pixels_per_s": 280e6}, "Mpixel/s"),
        ({"probes": ()}, "H.264"),
        ({"probes": (CodecProbe("libx264", False, "no such library"),)}, "H.264"),
        ({"reading": reading(temperature_c=81.0)}, "hot"),
        ({"reading": reading(memory_percent=97.0)}, "memory"),
    ],
)
def test_an_unfit_encoder_is_never_chosen_and_the_reason_is_said(unfit: dict[str, object], word: str) -> None:
    choice = choose(rank((standing("a", **unfit),), NEED))
    assert choice.primary is None
    assert word in choice.reasons[0]
    assert first(standing("a", **unfit), standing("b", reading=None, here_for_s=1.0)) == "b"


def test_a_named_codec_must_have_been_proved() -> None:
    gpu = standing("gpu", probes=(CodecProbe("libx264", True), CodecProbe("h264_nvenc", True)))
    broken = standing("a", probes=(CodecProbe("libx264", True), CodecProbe("h264_nvenc", False, "no driver")))
    need = Need(30e6, "h264_nvenc")
    assert first(standing("b"), broken, gpu, need=need) == "gpu"
    assert "no driver" in choose(rank((broken,), need)).reasons[0]


def test_the_region_asked_for_is_preferred_but_not_demanded() -> None:
    need = Need(30e6, "auto", region="eu")
    assert first(standing("a", region="us"), standing("b", region="eu"), need=need) == "b"
    assert first(standing("a", region="us"), need=need) == "a"


def test_the_backup_is_on_another_host_though_it_costs_more() -> None:
    near = standing("b", host="one")
    far = standing("c", host="two", promised_pixels_per_s=200e6)
    choice = choose(rank((standing("a", host="one"), near, far), NEED))
    assert choice.backup is not None
    assert choice.backup.encoder_id == "c"


def test_with_one_host_the_backup_is_another_node_of_it_and_this_is_said() -> None:
    choice = choose(rank((standing("a", host="one"), standing("b", host="one")), NEED))
    assert choice.backup is not None
    assert "own host: there is no other host" in choice.reasons[-1]
    full = standing("c", host="two", promised_pixels_per_s=1e12)
    choice = choose(rank((standing("a", host="one"), standing("b", host="one"), full), NEED))
    assert "own host: no other host has room" in choice.reasons[-1]


def test_an_encoder_is_never_its_own_backup() -> None:
    choice = choose(rank((standing("a"),), NEED))
    assert choice.backup is None
    assert "unprotected" in choice.reasons[-1]


def test_a_backup_of_the_primarys_build_is_preferred() -> None:
    primary = standing("a", build="1")
    fleet = (primary, standing("b", build="2"), standing("c", build="1", reading=reading(cpu_percent=40.0)))
    backup, _, _ = choose_backup(rank(fleet, NEED), primary.info)
    assert backup is not None
    assert backup.encoder_id == "c"


@given(st.lists(st.tuples(st.floats(0, 400e6), st.integers(0, 12), st.floats(0, 100)), max_size=8))
def test_nobody_beyond_capacity_is_chosen_and_the_order_of_the_picture_does_not_matter(
    loads: list[tuple[float, int, float]],
) -> None:
    fleet = tuple(
        standing(f"e{i}", promised_pixels_per_s=pixels, promised_streams=streams, reading=reading(cpu_percent=cpu))
        for i, (pixels, streams, cpu) in enumerate(loads)
    )
    choice = choose(rank(fleet, NEED))
    for info in (choice.primary, choice.backup):
        if info is not None:
            chosen = next(s for s in fleet if s.info == info)
            assert chosen.promised_streams < 10
            assert chosen.promised_pixels_per_s + NEED.pixels_per_s <= 300e6
    assert rank(fleet[::-1], NEED).candidates() == rank(fleet, NEED).candidates()


def test_every_part_of_the_cost_is_told_and_they_add_up() -> None:
    (candidate,) = rank((standing("a", failures_lately=2, region="us"),), Need(30e6, "auto", "eu")).candidates()
    assert [part.name for part in candidate.parts] == [
        "load", "cpu", "memory", "temperature", "failures", "region", "decline", "ejected",
    ]  # fmt: skip
    assert candidate.cost == pytest.approx(sum(part.points for part in candidate.parts), abs=0.05)


def test_fo_18_a_newcomer_has_a_fifth_of_its_weight_at_most_in_its_first_twelve_seconds_and_all_after_sixty() -> (
    None
):
    weights = [weight(standing("a", here_for_s=tenths / 10)) for tenths in range(700)]
    assert max(weights[:121]) == pytest.approx(0.2)
    assert weights == sorted(weights)
    assert weights[0] == SLOW_START_LEAST
    assert set(weights[600:]) == {1.0}


# --- panic: every encoder is too hot


def test_in_panic_the_coolest_below_the_hard_stop_takes_the_stream() -> None:
    fleet = (
        standing("a", reading=reading(temperature_c=88.0)),
        standing("b", reading=reading(temperature_c=84.0)),
        standing("c", reading=reading(temperature_c=TEMPERATURE_STOP_C)),
    )
    ranking = rank(fleet, NEED)
    assert choose(ranking).primary is None
    chosen = choose(ranking.in_panic())
    assert chosen.primary is not None
    assert chosen.backup is not None
    assert (chosen.primary.encoder_id, chosen.backup.encoder_id) == ("b", "a")


@pytest.mark.parametrize(
    "changes",
    [
        {"reading": reading(temperature_c=99.0)},
        {"reading": reading(temperature_c=85.0), "state": EncoderState.DRAINING},
        {"reading": reading(temperature_c=85.0, memory_percent=99.0)},
        {"reading": reading(temperature_c=85.0), "promised_streams": 10},
    ],
)
def test_panic_forgives_heat_below_the_hard_stop_and_nothing_else(changes: dict[str, object]) -> None:
    assert choose(rank((standing("a", **changes),), NEED).in_panic()).primary is None


@given(st.lists(st.floats(20.0, 110.0), max_size=6))
def test_nobody_at_the_hard_stop_is_ever_chosen_and_there_is_always_a_reason(celsius: list[float]) -> None:
    fleet = tuple(
        standing(f"e{place}", reading=reading(temperature_c=value)) for place, value in enumerate(celsius)
    )
    ranking = rank(fleet, NEED)
    for choice in (choose(ranking), choose(ranking.in_panic())):
        assert choice.reasons
        for chosen in (choice.primary, choice.backup):
            assert chosen is None or celsius[int(chosen.encoder_id[1:])] < TEMPERATURE_STOP_C

"""A large fleet in order without judging everyone: always the order that judging everyone gives."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.encoder import EncoderInfo, EncoderState
from app.policy import candidates
from app.policy.candidates import Fleetwide, Obstacle
from app.policy.heat import Heat, Sense
from app.policy.placement import Judged, Need, Panic, Standing, VetoCode, judge
from app.policy.ranking import Choice, Question, Seek, answer, rank
from tests.unit.policy.fleets import FLEETS, NEEDS, WELL, X264, standing

NEED = Need(30e6, "auto")


def fleetwide(standings: list[Standing]) -> tuple[Fleetwide, dict[str, Standing]]:
    """The later of two standings of one encoder is how it stands."""
    fleet, last = Fleetwide(), {}
    for one in standings:
        fleet.put(one)
        last[one.info.encoder_id] = one
    return fleet, last


def ids(choice: Choice) -> tuple[str | None, str | None]:
    def id_of(info: EncoderInfo | None) -> str | None:
        return None if info is None else info.encoder_id

    return id_of(choice.primary), id_of(choice.backup)


@given(FLEETS, NEEDS, st.sets(st.integers(0, 12)))
def test_the_order_is_the_one_that_judging_everyone_gives(
    standings: list[Standing], need: Need, gone: set[int]
) -> None:
    fleet, last = fleetwide(standings)
    for number in gone:
        fleet.drop(standing(f"e{number:02}").info.encoder_id)
        last.pop(f"e{number:02}", None)
    plain, order = rank(last.values(), need), fleet.order(need)
    assert [judged.standing for judged in order.fit()] == [judged.standing for judged in plain.fit()]
    assert list(order.fit()) == list(plain.fit()), "asked again it says the same"
    assert list(order.in_panic().fit()) == list(plain.in_panic().fit())


@given(FLEETS, NEEDS, FLEETS)
def test_who_is_to_be_taken_otherwise_is_judged_so(
    standings: list[Standing], need: Need, others: list[Standing]
) -> None:
    fleet, last = fleetwide(standings)
    instead = {one.info.encoder_id: one for one in others if one.info.encoder_id in last}
    plain, order = rank((last | instead).values(), need), fleet.order(need, instead)
    assert list(order.fit()) == list(plain.fit())
    assert list(order.in_panic().fit()) == list(plain.in_panic().fit())


@given(FLEETS, NEEDS, st.sampled_from(Panic), st.booleans())
def test_the_choice_is_the_plain_one(standings: list[Standing], need: Need, panic: Panic, needs_two: bool) -> None:
    fleet, last = fleetwide(standings)
    question = Question(Seek.BOTH, need, panic, needs_two=needs_two)
    chosen, plain = answer(question, fleet.order(need)), answer(question, rank(last.values(), need))
    assert ids(chosen) == ids(plain)
    assert chosen.cautions == plain.cautions
    assert chosen.reasons


@pytest.mark.parametrize("seed", range(3))
def test_a_large_fleet_of_many_different_encoders_is_in_order_too(seed: int) -> None:
    dice = random.Random(seed)
    fleet, everyone = Fleetwide(), [drawn(f"e{number:03}", dice) for number in range(200)]
    for one in everyone:
        fleet.put(one)
    for _ in range(5):
        pixels, region = dice.choice([1.0, 20e6, 60e6]), dice.choice([None, "eu"])
        need = Need(pixels, "auto", region, cores=dice.choice([(), (("old", 2.0),)]))
        assert list(fleet.order(need).fit()) == list(rank(everyone, need).fit())
        again = drawn(everyone[7].info.encoder_id, dice)
        everyone[7] = again
        fleet.put(again)


def test_of_a_thousand_encoders_a_few_are_judged_for_a_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    dice, asked = random.Random(1), list[Standing]()
    fleet = Fleetwide()
    for number in range(1000):
        fleet.put(drawn(f"e{number:03}", dice))

    def counted(one: Standing, need: Need) -> Judged:
        asked.append(one)
        return judge(one, need)

    monkeypatch.setattr(candidates, "judge", counted)
    choice = answer(Question(Seek.BOTH, dataclasses.replace(NEED, shares_reserve=True)), fleet.order(NEED))
    assert None not in (choice.primary, choice.backup)
    assert len(asked) <= 50
    asked.clear()
    assert answer(Question(Seek.BOTH, NEED), fleet.order(Need(1e12, "auto"))).primary is None
    assert len(asked) <= 10, "a refusal judges those that it tells of"


def drawn(name: str, dice: random.Random) -> Standing:
    heat = Heat(dice.uniform(40.0, 82.0), dice.uniform(-1.0, 2.0), dice.uniform(5.0, 40.0), sense=Sense.WELL)
    return standing(
        name,
        capacity=dice.choice([300e6, 600e6, 1.2e9]),
        model=dice.choice(["old", "new"]),
        region=dice.choice(["eu", "us"]),
        heat=dice.choice([None, heat]),
        reading=dataclasses.replace(WELL, cpu_percent=dice.uniform(0.0, 100.0)),
        promised_pixels_per_s=dice.uniform(0.0, 310e6),
        here_for_s=dice.choice([5.0, 40.0, 1000.0]),
        allowance=dice.choice([1.0, 1.0, 0.6]),
    )


@given(FLEETS, NEEDS)
def test_after_a_refusal_room_that_comes_back_is_seen(standings: list[Standing], need: Need) -> None:
    fleet, last = fleetwide(standings)
    full = [dataclasses.replace(one, promised_pixels_per_s=1e12) for one in last.values()]
    for one in full:
        fleet.put(one)
    assert not list(fleet.order(need).fit())
    fleet.order(need).obstacle()
    for one in last.values():
        fleet.put(one)
    assert list(fleet.order(need).fit()) == list(rank(last.values(), need).fit())


def test_what_is_missing_is_named() -> None:
    full, hot = {"promised_pixels_per_s": 300e6}, {"reading": dataclasses.replace(WELL, temperature_c=85.0)}
    away = {"state": EncoderState.OFFLINE}
    for changes, obstacle in (
        ([], Obstacle.NO_ENCODER),
        ([full, hot, away], Obstacle.FULL),
        ([hot, away], Obstacle.HOT),
        ([away, away], Obstacle.AWAY),
        ([{"probes": (dataclasses.replace(X264[0], works=False),)}, away], Obstacle.UNABLE),
        ([{"promised_streams": 10}], Obstacle.FULL),
    ):
        fleet, _ = fleetwide([standing(f"e{number}", **change) for number, change in enumerate(changes)])
        order = fleet.order(NEED)
        assert not list(order.fit())
        assert order.obstacle() is obstacle, changes


def test_a_refusal_tells_the_first_encoders_and_counts_the_others() -> None:
    fleet, _ = fleetwide([standing(f"e{number:02}", promised_streams=10) for number in range(12)])
    reasons = fleet.order(NEED).refusals()
    assert reasons[0] == "e00: all 10 places are promised"
    assert reasons[-1] == "and 7 more"
    assert fleet.closed() == {VetoCode.PLACES: 12}

"""Backups apart from their primaries; questions that can be asked again; what is said with a choice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.domain.encoder import EncoderKind
from app.policy.placement import Need, Panic, Standing
from app.policy.ranking import Caution, Question, Seek, answer, choose, rank
from tests.unit.policy.fleets import FLEETS, NEEDS, standing

NEED = Need(30e6, "auto")


def test_the_backup_is_in_another_rack_before_it_is_cheap_and_on_another_host_before_that() -> None:
    primary = standing("a", host="h1", rack="r1")
    near = standing("b", host="h1", rack="r1")
    same_rack = standing("c", host="h2", rack="r1", promised_pixels_per_s=100e6)
    far = standing("d", host="h3", rack="r2", promised_pixels_per_s=200e6)
    choice = choose(rank((primary, near, same_rack, far), NEED))
    assert choice.backup is far.info
    assert choice.cautions == ()
    choice = choose(rank((primary, near, same_rack), NEED))
    assert choice.backup is same_rack.info
    assert choice.cautions == (Caution.SAME_RACK,)
    assert "same rack" in choice.reasons[-1]
    choice = choose(rank((primary, near), NEED))
    assert (choice.backup, choice.cautions) == (near.info, (Caution.SAME_HOST,))
    assert choose(rank((primary,), NEED)).cautions == (Caution.UNPROTECTED,)


def test_racks_that_nobody_told_are_not_the_same_one() -> None:
    choice = choose(rank((standing("a"), standing("b")), NEED))
    assert choice.cautions == ()


def test_where_two_places_are_demanded_a_stream_with_one_is_refused_and_the_reason_is_said() -> None:
    question = Question(Seek.BOTH, NEED, needs_two=True)
    choice = answer(question, rank((standing("a"),), NEED))
    assert (choice.primary, choice.cautions) == (None, (Caution.UNPROTECTED,))
    assert choice.reasons == ("no second encoder has room: the stream is unprotected",)
    assert answer(question, rank((standing("a"), standing("b")), NEED)).primary is not None


def test_a_device_takes_no_stream_that_somebody_publishes() -> None:
    device = standing("a", kind=EncoderKind.AJA_HELO)
    assert choose(rank((device,), NEED)).primary is None
    assert (
        choose(rank((device,), Need(30e6, "auto", kinds=frozenset({EncoderKind.AJA_HELO})))).primary is device.info
    )


@given(FLEETS, NEEDS, st.sampled_from(Panic), st.booleans(), st.data())
def test_the_same_choice_comes_out_of_what_is_kept_of_it(
    standings: list[Standing], need: Need, panic: Panic, needs_two: bool, data: st.DataObject
) -> None:
    """Kept: the chosen, and any others."""
    fleet = {one.info.encoder_id: one for one in standings}
    infos = sorted(fleet)
    seek = data.draw(st.sampled_from(Seek)) if fleet else Seek.BOTH
    primary = fleet[data.draw(st.sampled_from(infos))].info if fleet else None
    avoid = tuple(data.draw(st.lists(st.sampled_from(infos), max_size=3, unique=True))) if fleet else ()
    question = Question(seek, need, panic, avoid, primary, needs_two)
    choice = answer(question, rank(fleet.values(), need))
    chosen = {info.encoder_id for info in (choice.primary, choice.backup) if info is not None} & fleet.keys()
    others = set(data.draw(st.lists(st.sampled_from(infos)))) if fleet else set()
    kept = [fleet[encoder_id] for encoder_id in sorted(chosen | others)]
    again = answer(question, rank(kept, need))
    if choice.primary is not None:
        assert (again.primary, again.backup) == (choice.primary, choice.backup)
    elif not needs_two:
        assert again.primary is None

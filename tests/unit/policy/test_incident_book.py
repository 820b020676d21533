"""Incidents over time: they keep their name, merge, split and end, and are the same each time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.condition import Category, SubjectKind
from app.domain.incident import Cause, Diagnosis, Incident
from app.domain.severity import Severity
from app.policy.alert_rules import timing_of
from app.policy.facts import Fact, FactBook
from app.policy.incident_book import CLEAR_S, MAX_KEPT, IncidentBook
from app.policy.incidents import Population, group
from tests.support.alerts import T0
from tests.unit.policy.test_incidents import HERE, encoder, facts, rack, stream

NOBODY: Sequence[Diagnosis] = ()


def look(
    book: IncidentBook, found: Sequence[Fact], now: float, population: Population = HERE
) -> tuple[Incident, ...]:
    return book.tick(group(found, population), NOBODY, now, T0 + timedelta(seconds=now))


def only(book: IncidentBook) -> Incident:
    (one,) = book.open()
    return one.incident


def test_a_rack_that_is_lost_is_one_incident_with_forty_children() -> None:
    book = IncidentBook()
    (begun,) = look(book, rack(), 10.0)
    assert begun == only(book)
    assert (begun.total_signs, begun.total_children, begun.streams) == (8, 40, 40)
    assert {child.subject.kind for child in begun.children} == {SubjectKind.STREAM}
    assert begun.severity is Severity.CRITICAL
    assert begun.cause == Cause("rack", "r7")


def test_a_known_fault_that_is_found_later_or_taken_back_is_news() -> None:
    """Whoever mends follows the known faults, and one that does not lead an incident counts as well."""
    book, lost = IncidentBook(), encoder("e1")
    first, second = (
        Diagnosis(name, lost.own, Severity.CRITICAL, Category.SYSTEM, "the same cause", "", None, (lost.name,))
        for name in ("a", "b")
    )
    told = []
    for now, found in enumerate(((first,), (first, second), (first, second), (first,))):
        told.append(book.tick(group([lost], HERE), found, float(now + 1), T0 + timedelta(seconds=now)))
    assert [[len(one.diagnoses) for one in news] for news in told] == [[1], [2], [], [1]]


def test_another_figure_in_the_words_of_the_same_sign_is_no_news() -> None:
    book, hot = IncidentBook(), encoder("e1")
    assert len(look(book, [replace(hot, summary="uses 99 % of its CPU")], 1.0)) == 1
    assert look(book, [replace(hot, summary="uses 98 % of its CPU")], 2.0) == ()
    assert only(book).title == "uses 98 % of its CPU"


def test_what_would_be_no_alert_yet_is_no_incident_yet() -> None:
    book, full = IncidentBook(), encoder("e1", what="cpu_high", severity=Severity.WARNING)
    hold_s = timing_of("cpu_high").hold_s
    assert look(book, [full], hold_s - 0.1) == ()
    assert look(book, [replace(full, ended=2.0)], hold_s + 1.0) == ()
    assert len(look(book, [full], hold_s)) == 1


def test_what_has_not_lasted_yet_belongs_to_what_is_an_incident_already() -> None:
    book, lost = IncidentBook(), encoder("e1")
    look(book, [lost, stream("a", lost, what="stream_unprotected")], 1.0)
    assert only(book).total_children == 1


def test_a_return_begins_to_last_anew_but_what_lasted_once_stays() -> None:
    hold_s = timing_of("cpu_high").hold_s

    def told(*spans: tuple[float, float]) -> tuple[Fact, ...]:
        facts = FactBook()
        for began, ended in spans:
            full = encoder("e1", what="cpu_high", severity=Severity.WARNING, at=began)
            facts.begin(full, began)
            facts.end(full.key, ended)
        return tuple(facts)

    book = IncidentBook()
    assert look(book, told((0.0, 2.0), (hold_s - 10.0, hold_s + 1.0)), hold_s + 1.0) == ()
    assert len(look(book, told((0.0, hold_s), (hold_s + 2.0, hold_s + 3.0)), hold_s + 4.0)) == 1


def test_more_of_the_same_is_no_news() -> None:
    book = IncidentBook()
    lost = encoder("e1")
    assert len(look(book, [lost], 1.0)) == 1
    assert look(book, [lost, stream("a", lost, at=1.0)], 2.0) == ()
    assert only(book).total_children == 1


def test_one_that_turns_out_to_have_a_wider_cause_keeps_its_name_and_takes_the_others_in() -> None:
    book, everything = IncidentBook(), rack(encoders=2)
    streams = [fact for fact in everything if fact.subject.kind is SubjectKind.STREAM]
    first, second = (replace(fact, began=2.0) for fact in everything if fact.subject.kind is SubjectKind.ENCODER)
    few = {("rack", "r7"): 2}
    before = [one for one in streams if dict(one.labels)["encoder"] == first.subject.id]
    look(book, [first, *before], 3.0, few)
    name = only(book).id
    look(book, [first, second, *streams], 5.0, few)
    assert (only(book).id, only(book).cause) == (name, Cause("rack", "r7"))
    assert only(book).total_children == 40


def test_those_that_turn_out_to_be_one_are_merged_into_the_oldest() -> None:
    book = IncidentBook()
    first, second = encoder("e1"), encoder("e2", at=5.0)
    look(book, [first, second], 6.0)
    older, younger = (one.incident.id for one in book.open())
    changed = look(book, [first, second], 7.0, {("rack", "r7"): 2})
    assert only(book).id == older
    assert {one.id: one.merged_into for one in changed} == {older: None, younger: older}
    assert book.find(younger) is not None


def test_what_falls_apart_is_split_and_says_from_what() -> None:
    book = IncidentBook()
    first, second = encoder("e1"), encoder("e2", at=5.0)
    look(book, [first, second], 6.0, {("rack", "r7"): 2})
    whole = only(book).id
    look(book, [first, second], 7.0)
    assert sorted((one.incident.id == whole, one.incident.split_from) for one in book.open()) == [
        (False, whole),
        (True, None),
    ]


def test_it_is_over_some_time_after_the_last_of_it() -> None:
    book = IncidentBook()
    gone = replace(encoder("e1"), ended=20.0)
    look(book, [gone], 20.0 + CLEAR_S - 0.1)
    assert only(book).ended_at is None
    (ended,) = look(book, [gone], 20.0 + CLEAR_S)
    assert ended.ended_at == T0 + timedelta(seconds=20.0 + CLEAR_S)
    assert book.over() == (ended,)


def test_what_only_informs_is_no_incident() -> None:
    book = IncidentBook()
    assert look(book, [encoder("e1", severity=Severity.INFO)], 1.0) == ()


def test_what_is_over_is_kept_up_to_a_bound() -> None:
    book = IncidentBook()
    for number in range(MAX_KEPT + 10):
        look(book, [encoder(f"e{number}", at=number)], number)
    look(book, [], 10_000.0)
    assert len(book.over()) == MAX_KEPT


def test_a_diagnosis_at_the_cause_comes_before_one_at_its_parts() -> None:
    def found(name: str, label: str, value: str) -> Diagnosis:
        scope = Cause(label, value)
        return Diagnosis(
            name, scope, Severity.CRITICAL, Category.ENCODER_OFFLINE, name, "-", None, ("encoder_offline",)
        )

    book = IncidentBook()
    diagnoses = (found("gone", "encoder", "e1"), found("power", "rack", "r7"), found("else", "rack", "r9"))
    book.tick(group(rack(), HERE), diagnoses, 10.0, T0)
    assert [one.pattern_id for one in only(book).diagnoses] == ["power", "gone"]
    assert only(book).title == "power"


def test_viewers_are_those_that_are_known_and_none_is_not_zero() -> None:
    book = IncidentBook()
    lost = encoder("e1")
    everything = [lost, stream("a", lost), stream("b", lost), stream("c", lost)]
    book.tick(group(everything, HERE), NOBODY, 1.0, T0, viewers={"a": 3, "b": 0})
    assert only(book).viewers == 3
    book.tick(group(everything, HERE), NOBODY, 2.0, T0, viewers={})
    assert only(book).viewers is None


@given(st.lists(facts(), min_size=1, max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_merges_and_splits_are_the_same_whatever_the_order(days: list[list[Fact]], chance: random.Random) -> None:
    one, other = IncidentBook(), IncidentBook()
    for number, found in enumerate(days):
        shuffled = list(found)
        chance.shuffle(shuffled)
        assert look(one, found, number * 500.0) == look(other, shuffled, number * 500.0)
    assert one.open() == other.open()
    assert one.over() == other.over()


@given(st.lists(facts(), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_no_condition_is_in_two_incidents_and_no_name_is_given_twice(days: list[list[Fact]]) -> None:
    book = IncidentBook()
    for number, found in enumerate(days):
        look(book, found, number * 500.0)
        keys = [key for one in book.open() for key in one.keys]
        assert len(keys) == len(set(keys))
        names = [one.incident.id for one in book.open()] + [one.id for one in book.over()]
        assert len(names) == len(set(names))

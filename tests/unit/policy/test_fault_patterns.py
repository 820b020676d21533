"""When a known fault is told by its evidence, where, and for how long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from app.domain.condition import Category, Subject, SubjectKind
from app.domain.incident import Cause
from app.domain.severity import Severity
from app.policy.facts import REMEMBERED_S, RETURN_S, Fact, FactBook, fact_of, state_of
from app.policy.fault_patterns import FLEET, Diagnostician, Pattern, Term
from tests.support.alerts import T0
from tests.support.faults import trouble

A, B = Term("a"), Term("b")
PATTERN = Pattern(
    id="known",
    severity=Severity.WARNING,
    category=Category.SYSTEM,
    per="encoder",
    cause="so it is",
    impact="that",
    terms=(A, B),
    need=2,
)


def fact(name: str, encoder: str = "e1", *, at: float = 0.0, ended: float | None = None, **labels: str) -> Fact:
    found = fact_of(trouble(name, SubjectKind.ENCODER, encoder, labels={"encoder": encoder, **labels}), at)
    return replace(found, ended=ended)


def places(pattern: Pattern, facts: Iterable[Fact], now: float = 10.0) -> list[Cause]:
    return [one.scope for one in Diagnostician([pattern]).judge(facts, now)]


def test_all_of_the_evidence_at_one_part_tells_it() -> None:
    assert places(PATTERN, [fact("a"), fact("b")]) == [Cause("encoder", "e1")]
    assert places(PATTERN, [fact("a")]) == []
    assert places(PATTERN, [fact("a"), fact("b", "e2")]) == []


def test_any_of_the_evidence_can_be_enough() -> None:
    assert places(replace(PATTERN, need=1), [fact("b", "e2"), fact("a")]) == [
        Cause("encoder", "e1"),
        Cause("encoder", "e2"),
    ]


def test_the_same_evidence_twice_is_not_two_of_two() -> None:
    twice = [fact("a"), fact("a", "other", rack="r1")]
    assert places(replace(PATTERN, per=FLEET), twice) == []


def test_what_was_over_shortly_before_counts_where_the_pattern_says_so() -> None:
    facts = [fact("a", ended=4.0), fact("b", at=8.0)]
    assert places(PATTERN, facts) == []
    assert places(replace(PATTERN, within_s=6.0), facts) == [Cause("encoder", "e1")]
    assert places(replace(PATTERN, within_s=5.9), facts) == []


def test_evidence_counts_only_after_it_lasted_where_the_pattern_says_so() -> None:
    facts = [fact("a"), fact("b", at=4.0)]
    assert places(replace(PATTERN, lasts_s=6.0), facts) == [Cause("encoder", "e1")]
    assert places(replace(PATTERN, lasts_s=6.1), facts) == []


def test_a_pattern_of_a_whole_rack_needs_several_of_it() -> None:
    rack = replace(PATTERN, per="rack", need=1, subjects=2)
    assert places(rack, [fact("a", "e1", rack="r1"), fact("b", "e1", rack="r1")]) == []
    assert places(rack, [fact("a", "e1", rack="r1"), fact("a", "e2", rack="r1")]) == [Cause("rack", "r1")]
    assert places(rack, [fact("a", "e1", rack="r1"), fact("a", "e2", rack="r2")]) == []
    assert places(rack, [fact("a", "e1"), fact("a", "e2")]) == []


def test_a_label_tells_two_facts_of_one_name_apart() -> None:
    pattern = replace(PATTERN, terms=(Term("silent", (("side", "source"),)),), need=1)
    assert places(pattern, [fact("silent", side="encoder")]) == []
    assert places(pattern, [fact("silent", side="source")]) == [Cause("encoder", "e1")]


def test_a_diagnosis_stays_for_its_clear_time_and_no_longer() -> None:
    known = Diagnostician([replace(PATTERN, clear_s=30.0)])
    assert known.judge([fact("a"), fact("b")], 10.0)
    assert known.judge([], 39.9)
    assert known.judge([], 40.0) == ()


def test_what_has_no_evidence_is_never_told() -> None:
    pattern = replace(PATTERN, terms=(), need=0)
    assert pattern.is_by_eye
    assert places(pattern, [fact("a")]) == []


def test_the_gravest_is_told_first() -> None:
    mild = replace(PATTERN, id="mild", terms=(A,), need=1)
    grave = replace(mild, id="zz_grave", severity=Severity.CRITICAL)
    found = Diagnostician([mild, grave, PATTERN]).judge([fact("a"), fact("b")], 10.0)
    assert [one.pattern_id for one in found] == ["zz_grave", "known", "mild"]


def test_what_is_not_told_again_is_over_and_then_forgotten() -> None:
    book = FactBook()
    assert book.begin(fact("a"), 0.0)
    assert not book.begin(fact("a", at=60.0), 60.0)
    assert not book.tick(149.0)
    assert book.tick(150.0)
    assert [one.ended for one in book] == [60.0]
    assert book.tick(60.0 + REMEMBERED_S)
    assert len(book) == 0


def test_what_comes_back_soon_has_never_been_away() -> None:
    book = FactBook()
    book.begin(fact("a"), 0.0)
    book.end(fact("a").key, 10.0)
    book.begin(fact("a", at=RETURN_S), RETURN_S)
    assert [(one.began, one.ended) for one in book] == [(0.0, None)]
    book.end(fact("a").key, 100.0)
    book.begin(fact("a", at=170.0), 170.0)
    assert [one.began for one in book] == [170.0]


def test_a_fact_keeps_the_place_in_which_it_began() -> None:
    book = FactBook()
    book.begin(fact("a", rack="r1"), 0.0)
    book.begin(fact("a", rack="r2"), 30.0)
    assert [one.parts()["rack"] for one in book] == ["r1"]


def test_states_of_one_part_end_when_they_are_told_no_more() -> None:
    book, subject = FactBook(), Subject(SubjectKind.ENCODER, "e1")
    other = Subject(SubjectKind.ENCODER, "e2")
    for name in ("alarm:X", "state:input=present"):
        book.begin(state_of(name, subject, (), 0.0, T0, ends=None), 0.0)
    book.begin(state_of("alarm:X", other, (), 0.0, T0, ends=None), 0.0)
    assert book.end_states(subject, ["state:input=present"], 5.0)
    assert {(one.name, one.subject.id) for one in book if one.holds(5.0)} == {
        ("state:input=present", "e1"),
        ("alarm:X", "e2"),
    }

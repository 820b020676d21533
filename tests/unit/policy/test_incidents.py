"""Which conditions are laid to one cause, to which, and why."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.condition import Category, SubjectKind
from app.domain.incident import Cause
from app.domain.severity import Severity
from app.policy.facts import Fact, fact_of
from app.policy.incidents import Group, group
from tests.support.faults import trouble

ENCODER, STREAM = SubjectKind.ENCODER, SubjectKind.STREAM
FAILED, BARE = Category.STREAM_FAILED, Category.FAILOVER


def encoder(name: str, rack: str = "r7", *, at: float = 0.0, what: str = "encoder_offline", **more: object) -> Fact:
    labels = {"encoder": name, "host": f"h-{name}", "rack": rack, "region": "eu"}
    return replace(fact_of(trouble(what, ENCODER, name, labels=labels, after_s=at), at), **more)


def stream(name: str, on: Fact, *, at: float = 0.0, what: str = "stream_failed_over", **more: object) -> Fact:
    labels = {**dict(on.labels), "gateway": "g1"}
    found = trouble(what, STREAM, name, labels=labels, after_s=at, severity=Severity.WARNING, category=BARE)
    return replace(fact_of(found, at), **more)


def rack(streams: int = 40, encoders: int = 8) -> list[Fact]:
    lost = [encoder(f"e{number}", at=2.0 + number / 10) for number in range(encoders)]
    return [
        *lost,
        *(stream(f"s{number:02}", lost[number % encoders], at=number / 100) for number in range(streams)),
    ]


HERE: Mapping[tuple[str, str], int] = {
    ("rack", "r7"): 8,
    ("rack", "r8"): 8,
    ("region", "eu"): 40,
    ("gateway", "g1"): 40,
}


def only(groups: Iterable[Group]) -> Group:
    (found,) = groups
    return found


def test_a_rack_that_is_lost_is_one_incident_with_its_forty_streams() -> None:
    found = only(group(rack(), HERE))
    assert found.cause == Cause("rack", "r7")
    assert len(found.signs) == 8
    assert {fact.subject.kind for fact in found.signs} == {ENCODER}
    followed = {fact.subject for fact in found.facts} - {fact.subject for fact in found.signs}
    assert len(followed) == 40
    assert "8 of 8 parts of it were hit within 1 s" in found.reasons()


def test_one_encoder_that_is_lost_takes_its_streams_with_it_and_no_rack() -> None:
    lost = encoder("e1")
    found = only(group([lost, stream("a", lost, at=1.0), stream("b", lost, at=2.0)], HERE))
    assert found.cause == Cause("encoder", "e1")
    assert found.root == lost
    assert "encoder_offline is a sign at the part itself" in found.reasons()


def test_what_streams_have_in_common_follows_from_the_encoder_that_shows_it_itself() -> None:
    lost = encoder("e1")
    failed = [stream(name, lost, at=1.0, what="stream_failed", category=FAILED) for name in "abc"]
    assert only(group([lost, *failed], HERE)).signs == (lost,)
    assert len(only(group(failed, HERE)).signs) == 3


def test_two_encoders_of_a_large_rack_at_the_same_time_are_chance() -> None:
    found = group([encoder("e1"), encoder("e2", at=5.0)], HERE)
    assert [one.cause for one in found] == [Cause("encoder", "e1"), Cause("encoder", "e2")]


def test_racks_that_go_together_are_the_region() -> None:
    lost = [encoder(f"e{number}", rack=f"r{number % 4}", at=number / 10) for number in range(30)]
    assert only(group(lost, {("region", "eu"): 40})).cause == Cause("region", "eu")


def test_encoders_lost_an_hour_apart_are_two_incidents() -> None:
    found = group([encoder("e1"), encoder("e2", at=3_600.0)], {("rack", "r7"): 2})
    assert [one.cause.label for one in found] == ["encoder", "encoder"]


def test_a_room_that_warms_up_slowly_is_one_incident() -> None:
    hot = [
        encoder(f"e{number}", at=number * 300.0, what="encoder_hot", category=Category.THERMAL)
        for number in range(6)
    ]
    assert only(group(hot, HERE)).cause == Cause("rack", "r7")


def test_streams_of_one_gateway_on_many_encoders_point_at_the_gateway() -> None:
    homes = [encoder(f"e{number}", rack=f"r{number}") for number in range(8)]
    failed = [
        stream(f"s{number}", homes[number % 8], at=number / 10, what="stream_failed", category=FAILED)
        for number in range(32)
    ]
    assert only(group(failed, HERE)).cause == Cause("gateway", "g1")


def test_streams_without_a_backup_accuse_no_gateway() -> None:
    bare = [stream(f"s{number}", encoder("e1"), what="stream_unprotected") for number in range(30)]
    bare = [replace(fact, labels=(("gateway", "g1"),)) for fact in bare]
    assert {one.cause.label for one in group(bare, HERE)} == {"stream"}


def test_several_streams_that_one_destination_refuses_are_one_incident() -> None:
    refused = [
        stream(
            f"s{number}", encoder(f"e{number}"), at=number, what="destination_refused", category=Category.BANDWIDTH
        )
        for number in range(5)
    ]
    refused = [replace(one, labels=(*one.labels, ("destination", "live.example"))) for one in refused]
    assert only(group(refused, HERE)).cause == Cause("destination", "live.example")


def test_a_certificate_that_is_served_in_many_places_is_one_incident() -> None:
    served = [
        fact_of(
            trouble(
                "certificate_expiring",
                SubjectKind.CERTIFICATE,
                place,
                category=Category.CERTIFICATE,
                labels={"certificate": "ab" * 32},
            ),
            0.0,
        )
        for place in ("https", "rtmps", "helo")
    ]
    assert only(group(served, {})).cause == Cause("certificate", "ab" * 32)


def test_a_full_disk_stops_no_stream() -> None:
    full = encoder("e1", what="device_storage_full", category=Category.STORAGE)
    found = group([full, stream("a", full, at=1.0, what="stream_failed", category=FAILED)], HERE)
    assert [one.cause for one in found] == [Cause("encoder", "e1", "storage"), Cause("stream", "a")]


def test_what_was_wrong_long_before_is_not_laid_to_what_came_after() -> None:
    lost = encoder("e1", at=1_000.0)
    found = group([stream("a", lost), lost], HERE)
    assert [one.cause for one in found] == [Cause("stream", "a"), Cause("encoder", "e1")]


def test_what_follows_may_be_seen_before_its_cause() -> None:
    """A gateway misses pictures at once, control the heartbeat seconds later."""
    lost = encoder("e1", at=10.0)
    assert only(group([stream("a", lost, at=0.1), lost], HERE)).root == lost


def test_of_two_that_explain_the_same_the_narrower_one_is_the_cause() -> None:
    lost = [encoder("e1"), encoder("e2")]
    lost = [replace(one, labels=(("encoder", one.subject.id), ("host", "h"), ("rack", "r7"))) for one in lost]
    assert only(group(lost, {})).cause == Cause("host", "h")


def test_a_cause_that_is_over_explains_no_more() -> None:
    lost = replace(encoder("e1"), ended=30.0)
    late = stream("a", lost, at=200.0)
    assert {one.cause for one in group([lost, late], HERE)} == {Cause("encoder", "e1"), Cause("stream", "a")}


PLACES = st.sampled_from([encoder(f"e{number}", rack=f"r{number // 3}") for number in range(9)])


@st.composite
def facts(draw: st.DrawFn) -> list[Fact]:
    """A bad day: encoders, their streams, warm ones and full ones, in four racks."""
    found: dict[tuple[str, str, str], Fact] = {}
    for number in range(draw(st.integers(0, 25))):
        home, at = draw(PLACES), draw(st.floats(0.0, 1_500.0))
        kind = draw(st.sampled_from(["lost", "hot", "full", "bare", "failed"]))
        made = {
            "lost": lambda home=home, at=at: encoder(home.subject.id, dict(home.labels)["rack"], at=at),
            "hot": lambda home=home, at=at: replace(home, name="encoder_hot", category=Category.THERMAL, began=at),
            "full": lambda home=home, at=at: replace(home, name="disk", category=Category.STORAGE, began=at),
            "bare": lambda home=home, at=at, number=number: stream(f"s{number}", home, at=at),
            "failed": lambda home=home, at=at, number=number: stream(
                f"s{number}", home, at=at, what="stream_failed", category=FAILED
            ),
        }[kind]()
        ended = draw(st.none() | st.floats(1.0, 600.0))
        found[made.key] = made if ended is None else replace(made, ended=made.began + ended)
    return list(found.values())


@given(facts(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_order_in_which_facts_come_is_of_no_account(found: list[Fact], chance: random.Random) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    assert group(shuffled, HERE) == group(found, HERE)


@given(facts())
@settings(max_examples=150, deadline=None)
def test_every_condition_is_in_exactly_one_group(found: list[Fact]) -> None:
    counts = Counter(fact.key for one in group(found, HERE) for fact in one.facts)
    assert counts == Counter(fact.key for fact in found)


@given(facts())
@settings(max_examples=150, deadline=None)
def test_all_of_a_group_names_its_cause_and_signs_are_of_it(found: list[Fact]) -> None:
    for one in group(found, HERE):
        assert one.signs
        assert {fact.key for fact in one.signs} <= {fact.key for fact in one.facts}
        assert all(fact.parts().get(one.cause.label) == one.cause.value for fact in one.facts)

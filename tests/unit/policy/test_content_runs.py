"""How long something has been so, from looks now and then."""

from __future__ import annotations

from app.policy.content_runs import CLEAR_MS, GONE_MS, STALE_MS, Run


def run_of(*looks: tuple[int, bool | None]) -> Run:
    run = Run()
    for at_ms, is_bad in looks:
        run.add(at_ms, is_bad)
    return run


def test_bad_looks_count_from_the_first_of_them() -> None:
    run = run_of((0, False), (2_000, True), (4_000, True), (6_000, True))
    assert run.bad_for_ms(6_900, 5_000) is None
    assert run.bad_for_ms(7_000, 5_000) == 5_000


def test_one_good_look_among_five_ends_nothing_and_two_do() -> None:
    looks = [(at_ms, at_ms != 3_000) for at_ms in range(0, 6_000, 1_000)]
    assert run_of(*looks).bad_for_ms(5_500, 5_000) is not None
    looks = [(at_ms, at_ms not in (2_000, 3_000)) for at_ms in range(0, 6_000, 1_000)]
    assert run_of(*looks).bad_for_ms(5_500, 5_000) is None


def test_what_was_seen_long_ago_proves_nothing() -> None:
    run = run_of((0, True), (2_000, True), (6_000, True))
    assert run.bad_for_ms(6_000 + STALE_MS, 5_000) is not None
    assert run.bad_for_ms(6_001 + STALE_MS, 5_000) is None


def test_a_look_that_says_neither_is_no_evidence() -> None:
    assert run_of((0, True), (2_000, None), (4_000, None), (6_000, True)).bad_for_ms(6_500, 5_000) is None


def test_it_is_over_when_two_looks_far_enough_apart_say_so_or_nobody_looked_for_long() -> None:
    bad = ((0, True), (2_000, True))
    assert not run_of(*bad).is_over(3_000)
    assert not run_of(*bad, (4_000, False)).is_over(4_500)
    assert not run_of(*bad, (4_000, False), (4_000 + CLEAR_MS - 1, False)).is_over(6_000)
    assert run_of(*bad, (4_000, False), (4_000 + CLEAR_MS, False)).is_over(6_000)
    assert run_of(*bad).is_over(2_001 + GONE_MS)


def test_two_sides_agree_disagree_or_cannot_tell() -> None:
    run = run_of((0, False), (2_000, True), (4_000, True), (6_000, True))
    assert run.agrees(1_000, 7_000) is True
    assert run.agrees(0, 2_000) is None
    assert run_of((0, False), (2_000, False)).agrees(0, 5_000) is False
    assert run.agrees(8_000, 9_000) is None


def test_a_timeline_that_began_anew_begins_anew_here() -> None:
    run = run_of((90_000, True), (92_000, True), (10, True))
    assert run.bad_for_ms(1_000, 500) == 990

"""Frames that were dropped count for five minutes, not for a worker's whole life."""

from __future__ import annotations

from app.policy.recent_drops import LATELY_S, MARK_EACH_S, RecentDrops


def watched(totals: list[int | None], generation: int = 1, drops: RecentDrops | None = None) -> RecentDrops:
    drops = drops or RecentDrops()
    for now, total in enumerate(totals):
        drops = drops.note(total, generation, float(now))
    return drops


def test_what_was_dropped_long_ago_does_not_count() -> None:
    totals: list[int | None] = [0, *([150] * 400)]
    assert watched(totals[:100]).lately(150) == 150
    assert watched(totals).lately(150) == 0
    assert watched(totals).lately(170) == 20


def test_what_a_worker_dropped_before_control_began_does_not_count() -> None:
    assert watched([150] * 10).lately(160) == 10


def test_a_slow_trickle_counts_as_what_it_was_in_the_last_minutes() -> None:
    lately = watched([second // 10 for second in range(2_000)]).lately(200)
    assert lately is not None
    assert LATELY_S / 10 - 2 <= lately <= (LATELY_S + MARK_EACH_S) / 10 + 2


def test_another_worker_begins_without_a_history_and_so_does_a_total_that_fell() -> None:
    before = watched([150] * 400)
    assert before.note(7, 2, 400.0).lately(7) == 7
    assert before.note(7, 1, 400.0).lately(7) == 7


def test_what_is_not_known_says_nothing() -> None:
    assert RecentDrops().lately(None) is None
    assert watched([None] * 10).lately(None) is None
    assert watched([5, None, None]).lately(6) == 1


def test_little_is_kept() -> None:
    assert len(watched(list(range(5_000))).marks) <= LATELY_S / MARK_EACH_S + 1

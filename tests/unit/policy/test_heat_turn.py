"""Streams that leave for heat go one at a time."""

from __future__ import annotations

from app.policy.heat_turn import HeatTurn
from app.policy.slow_evidence import SPACING_S


def test_after_one_stream_the_next_waits_for_its_turn() -> None:
    turn = HeatTurn()
    assert turn.is_free(100.0)
    turn.take(100.0)
    assert not turn.is_free(100.0 + SPACING_S - 0.1)
    assert turn.is_free(100.0 + SPACING_S)

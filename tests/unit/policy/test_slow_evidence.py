"""What makes a worker that still works be left, and what does not."""

from __future__ import annotations

import pytest

from app.domain.failover import DecidedBy
from app.policy.failover_words import Leave
from app.policy.slow_evidence import SLOW_FOR_S, Since, Symptoms, judge, note, spacing_s

WELL = Symptoms(speed=1.0, source_flows=True)
SLOW = Symptoms(speed=0.8, source_flows=True)
HOT = Leave("91 °C")
STOP = Leave("96 °C", must=True)


def seen(symptoms: Symptoms, for_s: float) -> Since:
    return note(note(Since(), symptoms, generation=1, now=0.0), symptoms, generation=1, now=for_s)


def test_a_well_worker_and_one_of_which_nothing_is_known_stay() -> None:
    for symptoms in (WELL, Symptoms(), Symptoms(speed=0.5)):
        assert judge(seen(symptoms, 100.0), symptoms, 100.0) is None


def test_evidence_counts_when_it_has_lasted() -> None:
    assert judge(seen(SLOW, SLOW_FOR_S - 0.1), SLOW, SLOW_FOR_S - 0.1) is None
    wish = judge(seen(SLOW, SLOW_FOR_S), SLOW, SLOW_FOR_S)
    assert wish is not None
    assert (wish.by, wish.must) == (DecidedBy.CONTROL, False)


def test_evidence_that_was_gone_for_a_moment_begins_anew_and_so_does_another_worker() -> None:
    since = note(seen(SLOW, 4.0), WELL, generation=1, now=4.5)
    assert note(since, SLOW, generation=1, now=5.0).slow == 5.0
    assert note(seen(SLOW, 4.0), SLOW, generation=2, now=6.0).slow == 6.0


@pytest.mark.parametrize("wish", [HOT, STOP])
def test_what_thermal_control_wishes_is_wished(wish: Leave) -> None:
    assert judge(Since(), Symptoms(heat=wish), 0.0) is wish


def test_a_wish_of_an_operator_to_drain_is_above_heat_but_not_above_the_hard_stop() -> None:
    drained = judge(Since(), Symptoms(draining="draining", heat=HOT), 0.0)
    assert drained is not None
    assert drained.by is DecidedBy.OPERATOR
    assert judge(Since(), Symptoms(draining="draining", heat=STOP), 0.0) is STOP


def test_an_operators_wish_counts_as_his_and_needs_no_time() -> None:
    stop = judge(Since(), Symptoms(stopped="stopped by an operator"), 0.0)
    drain = judge(Since(), Symptoms(draining="draining"), 0.0)
    assert stop is not None
    assert drain is not None
    assert (stop.by, stop.must) == (DecidedBy.OPERATOR, True)
    assert (drain.by, drain.must) == (DecidedBy.OPERATOR, False)
    silent = judge(Since(), Symptoms(silent="offline"), 0.0)
    assert silent is not None
    assert spacing_s(drain) < spacing_s(silent)

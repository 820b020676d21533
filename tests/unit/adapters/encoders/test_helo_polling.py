"""What of a HELO is read when."""

from __future__ import annotations

from app.adapters.encoders.helo import parameters as p
from app.adapters.encoders.helo.polling import LACKING_S, PER_ROUND, PollingPlan


def run(plan: PollingPlan, *, begin: float, rounds: int) -> list[str]:
    asked = []
    for second in range(rounds):
        due = plan.due(begin + second)
        assert len(due) <= PER_ROUND
        for param_id in due:
            plan.read(param_id, begin + second)
            asked.append(param_id)
    return asked


def test_states_come_first_then_the_signal_then_the_rest() -> None:
    due = PollingPlan().due(0.0)
    assert set(due[:2]) == {p.STREAM_STATE, p.RECORD_STATE}
    assert p.INPUT_FORMAT in due


def test_everything_is_read_soon_after_the_start_however_much_it_is() -> None:
    asked = run(PollingPlan(), begin=0.0, rounds=12)
    assert {p.TEMPERATURE, p.FIRMWARE, p.SYSTEM_STATE, "SafebootMode", "Storage_Removed_Alarm"} <= set(asked)


def test_in_the_long_run_each_has_its_pace() -> None:
    plan = PollingPlan()
    run(plan, begin=0.0, rounds=60)
    asked = run(plan, begin=60.0, rounds=300)
    assert asked.count(p.STREAM_STATE) == 150
    assert asked.count(p.INPUT_FORMAT) == 30
    assert asked.count(p.TEMPERATURE) == 30
    assert asked.count(p.FIRMWARE) == 1
    assert len(asked) / 300 < 2.5


def test_while_events_flow_states_are_read_less_often_and_what_an_event_names_at_once() -> None:
    plan = PollingPlan()
    run(plan, begin=0.0, rounds=60)
    plan.flows(has_events=True)
    assert run(plan, begin=60.0, rounds=50).count(p.STREAM_STATE) == 10
    plan.hasten({p.TEMPERATURE, "NotOurs", p.DURATION})
    assert p.TEMPERATURE in plan.due(110.0)[:3]
    plan.read(p.TEMPERATURE, 110.0)
    assert p.TEMPERATURE not in plan.due(110.0)


def test_what_the_device_does_not_list_is_not_asked_and_alarms_it_lists_are() -> None:
    plan = PollingPlan()
    plan.offer(frozenset({p.STREAM_STATE, "New_Alarm"}), ("New_Alarm",))
    assert set(run(plan, begin=0.0, rounds=3)) == {p.STREAM_STATE, "New_Alarm"}


def test_what_it_seems_to_lack_is_asked_seldom_but_asked_for_a_404_may_have_meant_something_else() -> None:
    plan = PollingPlan()
    run(plan, begin=0.0, rounds=60)
    plan.read(p.STREAM_STATE, 60.0)
    plan.lacks(p.STREAM_STATE)
    plan.flows(has_events=True)
    asked = run(plan, begin=60.0, rounds=300)
    assert asked.count(p.STREAM_STATE) == 300 // LACKING_S - 1
    plan.has(p.STREAM_STATE)
    assert run(plan, begin=360.0, rounds=50).count(p.STREAM_STATE) >= 9


def test_a_value_that_was_not_read_again_for_three_paces_is_forgotten() -> None:
    plan = PollingPlan()
    assert plan.forgotten(0.0) == frozenset()
    plan.read(p.LINK_ERRORS, 0.0)
    assert plan.forgotten(90.0) == frozenset()
    assert plan.forgotten(91.0) == {p.LINK_ERRORS}


def test_another_firmware_may_have_again_what_the_last_one_lacked() -> None:
    plan = PollingPlan()
    plan.offer(frozenset({p.STREAM_STATE}), ())
    plan.flows(has_events=True)
    plan.offer(frozenset({p.STREAM_STATE, p.TEMPERATURE}), ())
    assert set(run(plan, begin=0.0, rounds=3)) == {p.STREAM_STATE, p.TEMPERATURE}


def test_after_an_absence_everything_is_read_anew() -> None:
    plan = PollingPlan()
    run(plan, begin=0.0, rounds=20)
    plan.all_anew()
    assert set(plan.due(20.0)) == set(PollingPlan().due(0.0))


def test_however_much_a_device_says_has_changed_its_states_are_read() -> None:
    plan = PollingPlan()
    run(plan, begin=0.0, rounds=60)
    for second in range(60, 70):
        plan.hasten(f"Media_{n}" for n in range(100))
        plan.hasten({p.TEMPERATURE, p.LINK_ERRORS, *p.ALARMS_OFTEN, *p.ALARMS_SOMETIMES})
        asked = run(plan, begin=float(second), rounds=1)
        if second % 2 == 0:
            assert {p.STREAM_STATE, p.RECORD_STATE} <= set(asked)


def test_one_of_which_a_part_is_not_up_is_watched_until_it_is() -> None:
    plan = PollingPlan()
    run(plan, begin=0.0, rounds=60)
    plan.look_closely(is_ill=True)
    assert set(p.WELL) <= set(run(plan, begin=60.0, rounds=6))
    plan.look_closely(is_ill=False)
    assert run(plan, begin=66.0, rounds=100).count("ReplicatorState") == 0

"""Two rules that want opposite things come to rest (RM-05)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from app.policy.reboot_cycle import RebootCycle
from app.policy.setting_owners import SettingOwners

RATE = ("helo-1", "video_bps")


@pytest.mark.parametrize("gives_up", [True, False])
def test_rm_05_rules_that_lower_and_raise_change_it_once_a_minute_at_most_and_never_swing(gives_up: bool) -> None:
    owners, value = SettingOwners(), 8
    changes: list[tuple[float, int]] = []
    for now in range(3_600):
        for rule, wanted in (("lower", value - 2 if value > 2 else value), ("raise", 8)):
            if wanted != value and owners.refusal(RATE, rule, str(wanted), float(now)) is None:
                owners.changed(RATE, rule, str(value), float(now))
                value = wanted
                changes.append((float(now), wanted))
            if gives_up:
                owners.give_up(RATE)
    times = [at for at, _ in changes]
    assert changes, "nothing was ever changed"
    assert all(after - before >= 60.0 for before, after in pairwise(times))
    rates = [rate for _, rate in changes]
    assert rates == sorted(rates, reverse=True), "it swung"


def test_who_changed_a_setting_owns_it_until_it_is_given_up() -> None:
    owners = SettingOwners()
    owners.changed(RATE, "heat", "8", 0.0)
    assert owners.refusal(RATE, "quality", "4", 100.0) == "heat has set it"
    assert owners.refusal(RATE, "heat", "4", 100.0) is None
    owners.give_up(RATE)
    assert owners.refusal(RATE, "quality", "4", 100.0) is None
    assert owners.refusal(RATE, "quality", "8", 100.0) is not None
    assert owners.refusal(RATE, "quality", "8", 3_601.0) is None


def test_what_was_undone_may_be_tried_again_after_a_minute() -> None:
    owners = SettingOwners()
    owners.changed(RATE, "heat", "8", 0.0)
    owners.undone(RATE, 10.0)
    assert owners.refusal(RATE, "heat", "6", 30.0) is not None
    assert owners.refusal(RATE, "heat", "6", 71.0) is None


def test_other_settings_are_not_held_up() -> None:
    owners = SettingOwners()
    owners.changed(RATE, "heat", "8", 0.0)
    assert owners.refusal(("helo-2", "video_bps"), "quality", "4", 0.0) is None


def test_three_restarts_in_five_minutes_are_a_circle_until_it_is_quiet_for_as_long() -> None:
    cycle = RebootCycle()
    for now in (0.0, 150.0):
        cycle.restarted(now)
        assert not cycle.lasts(now)
    cycle.restarted(300.0)
    assert cycle.lasts(300.0)
    assert cycle.lasts(600.0)
    assert not cycle.lasts(601.0)


def test_three_restarts_in_more_than_five_minutes_are_none() -> None:
    cycle = RebootCycle()
    for now in (0.0, 150.0, 301.0):
        cycle.restarted(now)
    assert not cycle.lasts(301.0)

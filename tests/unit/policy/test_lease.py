"""Stories of the lease's machine, and the law that no two of them act at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.lease import Lease
from app.policy.lease import (
    AWAY_RETRY_S,
    Away,
    Claim,
    Command,
    Event,
    GiveBack,
    Granted,
    HeldBy,
    Lead,
    LeaseMachine,
    Limits,
    Phase,
    Renew,
    StepDown,
)

LIMITS = Limits(15.0)


def standby() -> LeaseMachine:
    return LeaseMachine(now=0.0, limits=LIMITS)


def leader(epoch: int = 3) -> LeaseMachine:
    machine = standby()
    assert machine.tick(0.0) == (Claim(),)
    assert machine.feed(Granted(epoch, 0.0), 0.1) == (Lead(epoch),)
    return machine


def lease(holder: str, left_s: float, *, epoch: int = 3, expires_us: int = 1) -> Lease:
    return Lease(holder, epoch, expires_us, left_s, LIMITS.lease_s)


def test_the_proportions_are_those_of_kubernetes() -> None:
    assert (LIMITS.lease_s, LIMITS.fence_s, LIMITS.retry_s) == (15.0, 10.0, pytest.approx(2.0))
    assert (Limits(3.0).fence_s, Limits(3.0).retry_s) == (pytest.approx(2.0), pytest.approx(0.4))
    assert Limits(120.0).retry_s == 2.0


def test_it_claims_at_once_and_leads_when_it_is_granted() -> None:
    machine = standby()
    assert machine.due == 0.0
    assert machine.tick(0.0) == (Claim(),)
    assert machine.due is None
    assert machine.tick(1.0) == ()
    assert machine.feed(Granted(1, 0.0), 1.0) == (Lead(1),)
    assert machine.epoch(1.0) == 1


def test_it_renews_in_time_and_leads_on() -> None:
    machine = leader()
    now = 0.0
    for _ in range(20):
        assert machine.due is not None
        now = machine.due
        assert machine.tick(now) == (Renew(3),)
        assert machine.feed(Granted(3, now), now + 0.2) == ()
    assert machine.epoch(now + 9.9) == 3


def test_a_lease_of_another_one_is_claimed_when_it_runs_out_and_looked_at_before() -> None:
    machine = standby()
    machine.tick(0.0)
    held = lease("beta", 2.5)
    assert machine.feed(HeldBy(held), 0.0) == ()
    assert machine.standing == "beta leads"
    assert machine.due == pytest.approx(2.0)
    assert machine.tick(2.0) == (Claim(),)
    machine.feed(HeldBy(lease("beta", 0.5)), 2.0)
    assert machine.due == pytest.approx(2.52)
    assert machine.tick(2.52) == (Claim(lease("beta", 0.5)),)


def test_a_lease_that_is_renewed_is_never_claimed_however_the_store_s_clock_steps() -> None:
    machine = standby()
    now = 0.0
    for turn in range(20):
        assert machine.tick(now) == (Claim(),)
        machine.feed(HeldBy(lease("beta", -3600.0 if turn else 14.0, expires_us=turn)), now)
        assert machine.due is not None
        now = machine.due


def test_a_dead_one_s_lease_is_claimed_though_the_store_s_clock_went_back_an_hour() -> None:
    machine = standby()
    now, asked = 0.0, machine.tick(0.0)
    while asked == (Claim(),):
        machine.feed(HeldBy(lease("beta", 3600.0)), now)
        assert machine.due is not None
        now = machine.due
        asked = machine.tick(now)
    assert asked == (Claim(lease("beta", 3600.0)),)
    assert now == pytest.approx(15.0, abs=0.1)


def test_at_the_first_look_a_lease_that_ran_out_long_ago_is_claimed_at_once() -> None:
    machine = standby()
    machine.tick(0.0)
    machine.feed(HeldBy(lease("beta", -80.0)), 0.0)
    assert machine.due == pytest.approx(0.02)
    assert machine.tick(0.02) == (Claim(lease("beta", -80.0)),)


def test_without_renewal_it_stops_before_the_lease_runs_out() -> None:
    machine = leader()
    assert machine.tick(2.0) == (Renew(3),)
    assert machine.due == pytest.approx(10.0)
    assert machine.epoch(9.99) == 3
    assert machine.epoch(10.0) is None
    (stepped,) = machine.tick(10.0)
    assert isinstance(stepped, StepDown)
    assert machine.phase is Phase.STANDBY


def test_a_store_that_is_away_is_asked_again_soon_and_costs_nothing_before_the_fence() -> None:
    machine = leader()
    machine.tick(2.0)
    assert machine.feed(Away("connection refused"), 2.1) == ()
    assert machine.due == pytest.approx(2.1 + AWAY_RETRY_S)
    assert machine.tick(2.6) == (Renew(3),)
    assert machine.feed(Granted(3, 2.6), 2.7) == ()
    assert machine.epoch(12.5) == 3


def test_a_renewal_counts_from_when_it_was_asked() -> None:
    machine = leader()
    machine.tick(2.0)
    machine.feed(Granted(3, 2.0), 9.0)
    assert machine.epoch(11.9) == 3
    assert machine.epoch(12.0) is None


def test_one_that_stood_still_with_a_question_open_does_not_act_and_gives_back_what_it_got() -> None:
    machine = leader()
    machine.tick(2.0)
    assert machine.epoch(500.0) is None
    stepped, back = machine.feed(Granted(3, 2.0), 500.0)
    assert isinstance(stepped, StepDown)
    assert back == GiveBack(3)


def test_a_renewal_that_comes_after_it_stepped_down_does_not_wake_it() -> None:
    machine = leader()
    machine.tick(9.0)
    machine.tick(10.0)
    assert machine.feed(Granted(3, 9.0), 10.1) == (GiveBack(3),)
    assert machine.epoch(10.1) is None
    assert machine.tick(10.2) == (Claim(),)


def test_a_claim_that_was_granted_too_late_is_given_back_and_made_again() -> None:
    machine = standby()
    machine.tick(0.0)
    assert machine.feed(Granted(4, 0.0), 11.0) == (GiveBack(4),)
    assert machine.phase is Phase.STANDBY
    assert machine.tick(11.0) == (Claim(),)


def test_who_hears_that_another_one_leads_steps_down_at_once() -> None:
    machine = leader()
    machine.tick(2.0)
    assert machine.feed(HeldBy(lease("beta", 14.0)), 2.1) == (StepDown("beta leads"),)
    assert machine.epoch(2.1) is None


# --- the law


@dataclass
class Row:
    """The store's side: one row, one clock."""

    holder: str = ""
    epoch: int = 0
    expires: float = 0.0

    def ask(self, who: str, command: Claim | Renew, asked_at: float, now: float) -> Event:
        if isinstance(command, Renew):
            if (self.holder, self.epoch) != (who, command.epoch):
                return HeldBy(self._lease(now))
        elif self.epoch == 0 or self.expires == 0 or self._is(command.over):
            self.holder, self.epoch = who, self.epoch + 1
        else:
            return HeldBy(self._lease(now))
        self.expires = now + LIMITS.lease_s
        return Granted(self.epoch, asked_at)

    def _is(self, over: Lease | None) -> bool:
        return over is not None and (over.epoch, over.expires_us) == (self.epoch, round(self.expires * 1e6))

    def _lease(self, now: float) -> Lease:
        return Lease(self.holder, self.epoch, round(self.expires * 1e6), self.expires - now, LIMITS.lease_s)


@dataclass
class Control:
    """One machine with its question under way: (when the store gets it, when the answer is back, what)."""

    name: str
    machine: LeaseMachine
    frozen_until: float = 0.0
    cut_until: float = 0.0
    under_way: tuple[float, float, Claim | Renew, float] | None = None
    answer: Event | None = None
    reigns: list[int] = field(default_factory=list)

    def take(self, commands: tuple[Command, ...], row: Row, now: float, delays: tuple[float, float]) -> None:
        for command in commands:
            match command:
                case Claim() | Renew():
                    self.under_way = (now + delays[0], now + delays[0] + delays[1], command, now)
                    self.answer = None
                case Lead(epoch):
                    self.reigns.append(epoch)
                case GiveBack(epoch):
                    if (row.holder, row.epoch) == (self.name, epoch):
                        row.expires = 0
                case StepDown():
                    pass


STEP = st.tuples(
    st.floats(0.05, 3.0),
    st.sampled_from(["", "", "freeze a", "freeze b", "cut a", "cut b"]),
    st.floats(0.0, 40.0),
    st.tuples(st.floats(0.0, 6.0), st.floats(0.0, 6.0)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEP, min_size=5, max_size=60))
def test_no_two_act_at_once_whatever_stands_still_or_is_late(
    steps: list[tuple[float, str, float, tuple[float, float]]],
) -> None:
    row, now = Row(), 0.0
    both = [Control(name, LeaseMachine(now=0.0, limits=LIMITS)) for name in ("a", "b")]
    for wait_s, fault, fault_s, delays in steps:
        struck = both["ab".index(fault[-1])] if fault else None
        if struck is not None and fault.startswith("freeze"):
            struck.frozen_until = now + fault_s
        elif struck is not None:
            struck.cut_until = now + fault_s
        until = now + wait_s
        while now < until:
            now += 0.05
            for one in both:
                _turn(one, row, now, delays)
            acting = [one.name for one in both if one.frozen_until <= now and one.machine.epoch(now) is not None]
            assert len(acting) <= 1, f"{acting} act at {now}"
    reigns = [epoch for one in both for epoch in one.reigns]
    assert len(reigns) == len(set(reigns)), "an epoch was led twice"


def _turn(one: Control, row: Row, now: float, delays: tuple[float, float]) -> None:
    """A question reaches the store, its answer comes back, the machine gets its turn; frozen: only the first."""
    if one.under_way is not None and one.answer is None and now >= one.under_way[0]:
        _, _, command, asked_at = one.under_way
        one.answer = Away("cut off") if now < one.cut_until else row.ask(one.name, command, asked_at, now)
    if one.frozen_until > now:
        return
    if one.under_way is not None and one.answer is not None and now >= one.under_way[1]:
        answer, one.under_way, one.answer = one.answer, None, None
        one.take(one.machine.feed(answer, now), row, now, delays)
    if one.machine.due is not None and now >= one.machine.due:
        one.take(one.machine.tick(now), row, now, delays)

"""How one try goes on, cut at every step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pytest

from app.domain.ids import EncoderId
from app.domain.remediation import Outcome, Phase, Remedy, RemedyRun
from app.policy.remedies import CATALOGUE
from app.policy.remedy_machine import Act, Acted, Escalate, LookAt, RemedyMachine, Seen, Store, Stored, Undo, Undone

NOON: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)
INPUT, REBOOT = Remedy.CHANGE_INPUT, Remedy.REBOOT


def run(remedy: Remedy = REBOOT, phase: Phase = Phase.INTENDED) -> RemedyRun:
    return RemedyRun(
        id="rem_1",
        encoder_id=EncoderId("helo-1"),
        remedy=remedy,
        cause="device_unwell",
        evidence=(),
        command="",
        asked_by="automation",
        began_at=NOON,
        is_disruptive=True,
        phase=phase,
    )


def sent(remedy: Remedy = REBOOT) -> RemedyMachine:
    machine = RemedyMachine(run(remedy), CATALOGUE[remedy], can_undo=True)
    assert machine.begin(0.0) == (Store(machine.run),)
    assert machine.feed(Stored(), 0.0) == (Act(machine.run),)
    assert machine.feed(Acted(NOON), 0.0) == (Store(machine.run),)
    assert machine.run.phase is Phase.SENT
    return machine


def test_nothing_is_sent_before_the_intent_is_stored_and_nothing_twice() -> None:
    machine = sent()
    assert machine.feed(Stored(), 0.0) == ()


def test_a_good_sign_from_before_the_device_had_time_counts_for_nothing() -> None:
    machine = sent()
    settle = CATALOGUE[REBOOT].settle_s
    assert machine.tick(settle - 0.1) == ()
    for _ in range(5):
        assert machine.feed(Seen(NOON, helped=True), settle - 0.1) == ()
    assert machine.tick(settle) == (LookAt(machine.run),)
    machine.feed(Seen(NOON, helped=True), settle)
    assert not machine.run.is_over
    machine.feed(Seen(NOON, helped=True), settle + 1.0)
    assert machine.run.outcome is Outcome.KEPT


def test_one_good_look_between_bad_ones_is_not_enough() -> None:
    machine = sent()
    for n in range(100):
        machine.feed(Seen(NOON, helped=n % 2 == 0), 20.0 + n)
    assert not machine.run.is_over


@pytest.mark.parametrize("helped", [False, None])
def test_what_does_not_help_in_time_fails_and_escalates(helped: bool | None) -> None:
    machine = sent()
    spec = CATALOGUE[REBOOT]
    commands = machine.feed(Seen(NOON, helped=helped), spec.settle_s + spec.verify_s)
    assert commands == (Store(machine.run), Escalate(machine.run))
    assert machine.run.outcome is Outcome.FAILED


def test_what_can_be_put_back_is_put_back_first() -> None:
    machine = sent(INPUT)
    commands = machine.feed(Seen(NOON, helped=False), 1_000.0)
    assert commands == (Store(machine.run), Undo(machine.run))
    assert machine.feed(Stored(), 1_000.0) == ()
    commands = machine.feed(Undone(NOON), 1_001.0)
    assert machine.run.outcome is Outcome.ROLLED_BACK
    assert commands == (Store(machine.run), Escalate(machine.run))


def test_what_can_not_be_put_back_says_so() -> None:
    machine = sent(INPUT)
    machine.feed(Seen(NOON, helped=False), 1_000.0)
    machine.feed(Undone(NOON, failure="no answer"), 1_001.0)
    assert machine.run.outcome is Outcome.FAILED
    assert "no answer" in (machine.run.result or "")


def test_what_a_person_changed_is_neither_verified_nor_put_back() -> None:
    machine = sent(INPUT)
    assert machine.feed(Seen(NOON, helped=False, by_hand=True), 5.0) == (Store(machine.run),)
    assert machine.run.outcome is Outcome.LEFT_ALONE


def test_a_refusal_of_the_device_ends_it_at_once() -> None:
    machine = RemedyMachine(run(), CATALOGUE[REBOOT])
    machine.begin(0.0)
    machine.feed(Stored(), 0.0)
    machine.feed(Acted(NOON, refusal="no"), 0.0)
    assert (machine.run.outcome, machine.run.sent_at) == (Outcome.FAILED, NOON)


@pytest.mark.parametrize("phase", [Phase.INTENDED, Phase.SENT, Phase.UNDOING])
@pytest.mark.parametrize("remedy", Remedy)
@pytest.mark.parametrize("helped", [True, False, None])
def test_cut_off_anywhere_it_is_only_looked_at_and_comes_to_an_end(
    phase: Phase, remedy: Remedy, helped: bool | None
) -> None:
    spec = CATALOGUE[remedy]
    machine = RemedyMachine(replace(run(remedy), phase=phase), spec, resumed=True, can_undo=True)
    commands = [*machine.begin(0.0)]
    now = 0.0
    while not machine.run.is_over:
        assert now <= spec.settle_s + spec.verify_s + 5.0, "it never ends"
        commands += machine.tick(now)
        commands += machine.feed(Stored(), now)
        commands += machine.feed(Seen(NOON, helped=helped), now)
        now += 1.0
    assert {type(command) for command in commands} <= {LookAt, Store}
    assert machine.run.outcome is (Outcome.KEPT if helped else Outcome.INTERRUPTED)

"""Each story of a failover is cut after every command: control forgets all but the record, and the end is the same.

The world around the machine is a small model of what the doers do: a record that is durable, one gateway that acts
by itself on a loss, and workers that run or do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.failover import DecidedBy
from app.policy.failover import FailoverMachine
from app.policy.failover_states import Cover, Phase
from app.policy.failover_words import (
    ActiveLost,
    Command,
    Event,
    Hold,
    Leave,
    LetGoStandby,
    Remedied,
    Remedy,
    Replace,
    Replaced,
    SeekStandby,
    StandbyLost,
    StandbyReady,
    StandbyStarted,
    Switch,
    Switched,
)


@dataclass
class World:
    """`active`, `standby` and `newest` are the record; `speaks` and `ready` the gateway's; `running` the nodes'."""

    active: int = 1
    standby: int | None = 2
    newest: int = 2
    speaks: int = 1
    ready: int | None = 2
    running: set[int] = field(default_factory=lambda: {1, 2})
    now: float = 0.0
    heard: list[Event] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    done: int = 0
    machine: FailoverMachine = field(init=False)

    def __post_init__(self) -> None:
        self.machine = FailoverMachine(generation=1, cover=Cover.PROTECTED, standby=2, runs=True, now=0.0)

    # --- what happens outside

    def kill_active(self) -> None:
        self.running.discard(self.speaks)
        if self.ready is not None and self.ready in self.running:
            self._gateway_gives(self.ready)
        else:
            self.heard.append(ActiveLost(self.speaks, "reset", by_gateway=True))

    def kill_standby(self) -> None:
        if self.standby is not None and self.standby != self.speaks:
            self.running.discard(self.standby)
            self.heard.append(StandbyLost(self.standby, "reset"))
        self.ready = None

    def kill_both(self) -> None:
        self.kill_standby()
        self.kill_active()

    def drain(self) -> None:
        self.heard.append(Leave("draining", DecidedBy.OPERATOR))

    def stop(self) -> None:
        self.heard.append(Leave("stopped", DecidedBy.OPERATOR, must=True))

    def _gateway_gives(self, generation: int) -> None:
        assert generation > self.speaks, "only a newer one may speak"
        self.speaks, self.ready = generation, None
        self.heard.append(Switched(generation))

    # --- control

    def restart_control(self, *, node_first: bool = False) -> None:
        """All that was not written down is lost; what runs says hello."""
        self.heard, self.commands = [], []
        cover = Cover.BARE if self.standby is None else Cover.PREPARING
        self.machine = FailoverMachine(
            generation=self.active, cover=cover, standby=self.standby, runs=True, now=self.now
        )
        gateway, nodes = self._hello_of_the_gateway(), self._hellos_of_nodes()
        self.heard = nodes + gateway if node_first else gateway + nodes

    def _hello_of_the_gateway(self) -> list[Event]:
        if self.speaks == self.standby:
            return [Switched(self.speaks)]
        return [StandbyReady(self.ready)] if self.ready is not None and self.ready == self.standby else []

    def _hellos_of_nodes(self) -> list[Event]:
        missing: list[Event] = []
        if self.active not in self.running and self.speaks == self.active:
            missing.append(ActiveLost(self.active, "came back without it"))
        if self.standby is not None and self.standby not in self.running:
            missing.append(StandbyLost(self.standby, "came back without it"))
        return missing

    def step(self) -> bool:
        """One event or command; False when there is nothing to do but wait."""
        if self.heard:
            event = self.heard.pop(0)
            if isinstance(event, Switched) and event.generation == self.standby:
                self.active, self.standby = event.generation, None  # the record follows at once
            self.commands += self.machine.feed(event, self.now)
        elif self.commands:
            self.carry_out(self.commands.pop(0))
            self.done += 1
        else:
            return False
        return True

    def carry_out(self, command: Command) -> None:
        match command:
            case Replace(generation):
                if self.active <= generation:
                    self._replace()
                self.heard.append(Replaced(self.active))
            case Switch(generation):
                if generation == self.ready:
                    self.running.discard(self.speaks)
                    self._gateway_gives(generation)
            case SeekStandby():
                self.newest += 1
                if self.standby is not None:
                    self.running.discard(self.standby)
                self.standby = self.ready = self.newest
                self.running.add(self.newest)
                self.heard += [StandbyStarted(self.newest), StandbyReady(self.newest)]
                if self.speaks not in self.running:
                    self._gateway_gives(self.newest)  # it waits for any worker
            case LetGoStandby(generation):
                if generation == self.standby:
                    self.running.discard(generation)
                    self.standby = self.ready = None
            case Remedy():
                self.heard.append(Remedied(False))
            case Hold():
                pass

    def _replace(self) -> None:
        self.newest += 1
        self.running -= {self.active, self.standby or 0}
        self.active, self.standby, self.ready = self.newest, None, None
        self.running.add(self.active)
        assert self.active > self.speaks, "only a newer one may speak"
        self.speaks = self.active

    def rest(self) -> None:
        """Until nothing is to do any more; time passes where only that helps."""
        for _ in range(500):
            if self.step():
                continue
            if self.machine.due is None:
                return
            self.now = max(self.now, self.machine.due)
            self.commands += self.machine.tick(self.now)
        raise AssertionError("it never comes to rest")

    def check(self) -> None:
        assert (self.machine.phase, self.machine.cover) == (Phase.STEADY, Cover.PROTECTED)
        assert self.machine.generation == self.active == self.speaks
        assert self.machine.standby == self.standby == self.ready
        assert self.standby is not None
        assert self.standby > self.active
        assert self.running == {self.active, self.standby}


STORIES: dict[str, list[Callable[[World], None]]] = {
    "the active worker dies": [World.kill_active],
    "the standby dies": [World.kill_standby],
    "both die": [World.kill_both],
    "one after the other": [World.kill_active, World.kill_active, World.kill_standby, World.kill_active],
    "an operator drains": [World.drain],
    "an operator stops, and the standby dies with it": [World.stop, World.kill_standby],
    "drained, and the active dies on the way": [World.drain, World.kill_active],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_a_story_that_is_not_cut_ends_protected(story: list[Callable[[World], None]]) -> None:
    world = World()
    for happens in story:
        happens(world)
        world.rest()
        world.check()


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_cut_after_every_step_it_ends_the_same(story: list[Callable[[World], None]]) -> None:
    for cut in range(120):
        world = World()
        for happens in story:
            happens(world)
            for _ in range(cut // 2):
                world.step()
            world.restart_control(node_first=cut % 2 == 1)
            world.rest()
            world.check()


HAPPENINGS = st.sampled_from([World.kill_active, World.kill_standby, World.kill_both, World.drain, World.stop])


CUTS = st.sampled_from([None, False, True])


@given(st.lists(st.tuples(HAPPENINGS, st.integers(0, 6), CUTS), max_size=12))
def test_whatever_happens_and_whenever_control_dies_the_end_is_protected(
    story: list[tuple[Callable[[World], None], int, bool | None]],
) -> None:
    """Nobody waits for the end of one thing before the next happens."""
    world = World()
    for happens, steps, node_first in story:
        if happens in (World.kill_active, World.kill_both) and world.speaks not in world.running:
            continue
        happens(world)
        for _ in range(steps):
            world.step()
        if node_first is not None:
            world.restart_control(node_first=node_first)
    world.rest()
    world.check()

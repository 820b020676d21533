"""What must be true of every history, whatever failed in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

from app.domain.stream import StandbyGrade, StreamState

from .people import FRAME_MS
from .world import Stream, World

LOOK_S = 0.25


class Watchman:
    """Looks at the fleet again and again while it runs. Raises AssertionError into the task that awaits `run`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._generations: dict[str, int] = {}

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        for stream in self._world.streams:
            spoke, speaks = self._generations.get(stream.id, 0), stream.channel.switch.generation
            assert speaks >= spoke, f"generation {spoke} spoke and now an older one does, {speaks}"
            self._generations[stream.id] = speaks
            plan = stream.channel.plan
            if plan.active is not None and plan.standby is not None:
                assert plan.active.worker_id != plan.standby.worker_id, "the spare is the active worker"
                changes = plan.standby_ladder is not None
                assert changes or plan.active.encoder_id != plan.standby.encoder_id, "both on one encoder"


def seen_by_viewers(stream: Stream) -> None:
    """Every frame once and in order, on every rendition: from the first that was shown to the last."""
    for viewer in stream.viewers:
        for kind, seen in (("picture", viewer.pictures), ("sound", viewer.sounds)):
            assert seen, f"no {kind} came out"
            fault = _first_fault(seen)
            assert fault is None or stream.channel.ring.overruns, f"{kind}: after {fault[0]} comes {fault[1]}"
    assert not stream.publisher.cut_off, "the publisher was let go"


async def reported_truly(world: World, stream: Stream) -> None:
    """No report tells of a frame lost or doubled, where viewers saw each exactly once."""
    if stream.channel.ring.overruns:
        return
    for report in await world.store.failovers(stream.id):
        for track in report.tracks:
            assert not track.missing, f"generation {report.generation}: {track}"
            assert not track.doubled, f"generation {report.generation}: {track}"


def _first_fault(seen: Sequence[int]) -> tuple[int, int] | None:
    return next(((a, b) for a, b in pairwise(seen) if b - a != FRAME_MS), None)


def at_rest(world: World, stream: Stream) -> str | None:
    """Why the stream is not as it should be when nothing fails any more; None: it is."""
    if world.services is None or (live := world.live(stream)) is None:
        return "control does not have it"
    health, plan = world.health(stream), live.record.plan
    if health.state is not StreamState.LIVE:
        return f"it is {health.state}: {health.reasons}"
    if not health.protected or plan.active is None or plan.standby is None:
        return f"it is not protected: {health.reasons}, {live.machine.phase}, {live.machine.cover}"
    if stream.channel.switch.generation != plan.active.generation:
        return f"generation {stream.channel.switch.generation} speaks, the record says {plan.active.generation}"
    if stream.channel.plan.revision != plan.revision:
        return "gateway and record hold different plans"
    expected = {plan.active.worker_id}
    if world.grades[stream.id] is not StandbyGrade.COLD:
        expected.add(plan.standby.worker_id)
    running = {
        worker.order.worker_id: worker
        for node in world.nodes
        for worker in node.workers.values()
        if worker.order.stream_id == stream.id
    }
    if set(running) != expected:
        return f"these workers run: {sorted(running)}, of {sorted(expected)}"
    behind = stream.publisher.sent[-1] - stream.viewers[0].pictures[-1]
    return f"it is {behind} ms behind" if behind > 1_500 else None

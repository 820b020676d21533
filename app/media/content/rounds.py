"""Goes round a gateway's streams: takes a look at each in turn, judges it, tells control what was found.

One look at a time, and no more of them than the budget of processor time allows: with many streams each is looked
at less often, which is told. Leaves to others: the child (`child`), the rules (`app.policy`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from app.domain.content import Finding, PictureSample, SoundSample
from app.domain.errors import Unavailable
from app.domain.ids import StreamId
from app.domain.link import ContentSeen, Fact
from app.domain.stream import StandbyGrade, StreamMode
from app.media.channel import Channel
from app.media.content.reach import NOWHERE, flow_of, reach_of
from app.media.content.talk import Look, Seen
from app.media.content.tap import ContentTap, SideTap, Taken
from app.policy.content_watch import ContentWatch
from app.policy.flow_watch import FlowWatch

BEAT_S: Final = 0.25
WARM_UP_S: Final = 3.0
"""A publisher that stays for less is not worth a process that decodes."""
FLOWS_S: Final = 1.0
"""A source that is silent for longer does not flow; what the programme shows meanwhile is a slate, or nothing."""
LOOK_EVERY_S: Final = 1.0
BUDGET: Final = 0.25
"""Share of one core that looking may take, of all streams together: about 25 of them each 2 s."""
SAVED_S: Final = 0.5
"""Budget of so much time at most is kept for later: there are more looks than beats, so one beat has several."""
RETOLD_S: Final = 10.0
SET_ASIDE_S: Final = 5.0
"""After the child died of a stream: others are looked at first, for twice as long each time until somebody else
publishes."""
SET_ASIDE_MOST_S: Final = 3_600.0
FLOW_EVERY_S: Final = 1.0


class Sampler(Protocol):
    """What decodes. `ask` raises Unavailable."""

    @property
    def is_resting(self) -> bool: ...

    async def ask(self, look: Look) -> Seen: ...


@dataclass(slots=True)
class Watched:
    """One stream. Times in monotonic seconds."""

    since_s: float
    tap: ContentTap
    content: ContentWatch = field(default_factory=ContentWatch)
    flow: FlowWatch = field(default_factory=FlowWatch)
    flow_at_s: float = 0.0
    generation: int = 0
    publisher: object = None
    flows: bool = False
    looked_s: dict[bool, float] = field(default_factory=dict)
    """When the source (True) and the programme (False) were looked at last."""
    compared_ms: dict[str, int] = field(default_factory=dict)
    told: tuple[Finding, ...] = ()
    told_s: float = 0.0
    aside_until_s: float = 0.0
    aside_s: float = 0.0
    flowing: tuple[Finding, ...] = ()


class ContentRounds:
    def __init__(
        self,
        *,
        channels: Callable[[], Iterable[Channel]],
        sampler: Sampler,
        tell: Callable[[Fact], None],
        monotonic: Callable[[], float],
        utc_now: Callable[[], datetime],
    ) -> None:
        self._channels = channels
        self._sampler = sampler
        self._tell = tell
        self._monotonic = monotonic
        self._utc_now = utc_now
        self._watched: dict[StreamId, Watched] = {}
        self._rest_until_s = 0.0
        self.looks = 0
        self.busy_s = 0.0
        """Processor time that looking took."""
        self.failures = 0
        """Looks that were not answered."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            await self.go_round()

    async def go_round(self) -> None:
        now_s = self._monotonic()
        channels = {channel.plan.stream_id: channel for channel in self._channels() if not channel.ended}
        self._attend(channels, now_s)
        for stream_id, is_source in self._due(channels, now_s):
            now_s = self._monotonic()
            if now_s < self._rest_until_s or self._sampler.is_resting:
                break
            watched = self._watched[stream_id]
            if not channels[stream_id].ended and now_s >= watched.aside_until_s:
                await self._look(stream_id, watched, is_source=is_source)
        now_s = self._monotonic()
        for stream_id, watched in self._watched.items():
            self._judge(channels[stream_id], watched, now_s)

    @property
    def oldest_look_s(self) -> float:
        """How long the stream that waits longest has not been looked at, in seconds."""
        now_s = self._monotonic()
        return max((now_s - min(w.looked_s.values()) for w in self._watched.values() if w.looked_s), default=0.0)

    def _attend(self, channels: dict[StreamId, Channel], now_s: float) -> None:
        """Begin with streams that are new, follow the changes of the others, drop those that are gone."""
        for stream_id in self._watched.keys() - channels.keys():
            del self._watched[stream_id]
        for stream_id, channel in channels.items():
            watched = self._watched.get(stream_id)
            if not channel.plan.content_checks:
                channel.source.tap = channel.programme.track_tap = None
                if watched is not None:
                    del self._watched[stream_id]
                    self._say(channel, watched, (), now_s)
                continue
            if watched is None:
                tap = ContentTap()
                channel.source.tap, channel.programme.track_tap = tap.on_source, tap.on_programme
                for message in channel.headers.messages(0):
                    tap.source.learn(message)
                watched = self._watched[stream_id] = Watched(now_s, tap)
            _follow(channel, watched, now_s)

    def _due(self, channels: dict[StreamId, Channel], now_s: float) -> list[tuple[StreamId, bool]]:
        """Sides to look at now, those that have waited longest first."""
        due: list[tuple[float, StreamId, bool]] = []
        for stream_id, watched in self._watched.items():
            if not watched.flows or now_s < watched.aside_until_s or now_s - watched.since_s < WARM_UP_S:
                continue
            for is_source in (True, False):
                looked_s = watched.looked_s.get(is_source, 0.0)
                if now_s - looked_s >= LOOK_EVERY_S:
                    due.append((looked_s, stream_id, is_source))
        return [(stream_id, is_source) for _, stream_id, is_source in sorted(due)]

    async def _look(self, stream_id: StreamId, watched: Watched, *, is_source: bool) -> None:
        side: SideTap = watched.tap.source if is_source else watched.tap.programme
        generation = watched.generation
        room = f"{stream_id}/source" if is_source else f"{stream_id}/{generation}"
        taken = side.take(room, closely=not is_source or watched.content.is_suspicious)
        if taken is None:
            return
        watched.looked_s[is_source] = self._monotonic()
        try:
            seen = await self._sampler.ask(taken.look)
        except Unavailable:
            self.failures += 1
            watched.compared_ms.clear()
            watched.aside_s = min(SET_ASIDE_MOST_S, max(SET_ASIDE_S, watched.aside_s * 2))
            watched.aside_until_s = self._monotonic() + watched.aside_s
            return
        self.looks += 1
        self.busy_s += seen.busy_ms / 1000
        self._rest_until_s = max(self._rest_until_s, self._monotonic() - SAVED_S) + seen.busy_ms / 1000 / BUDGET
        if is_source or generation == watched.generation:
            _feed(watched, taken, seen, is_source=is_source)

    def _judge(self, channel: Channel, watched: Watched, now_s: float) -> None:
        if now_s - watched.flow_at_s >= FLOW_EVERY_S:
            watched.flow_at_s = now_s
            watched.flowing = watched.flow.judge(flow_of(channel, watched.tap, now_s))
        reach = reach_of(channel, watched.tap) if watched.flows else NOWHERE
        seen = watched.content.judge(reach)
        self._say(channel, watched, (*seen, *watched.flowing), now_s)

    def _say(self, channel: Channel, watched: Watched, found: tuple[Finding, ...], now_s: float) -> None:
        """At once when something begins or ends, and now and then while it lasts."""
        names = [(finding.fault, finding.side) for finding in found]
        is_news = names != [(finding.fault, finding.side) for finding in watched.told]
        if is_news or (found and now_s - watched.told_s >= RETOLD_S):
            watched.told, watched.told_s = found, now_s
            self._tell(ContentSeen(channel.plan.stream_id, self._utc_now(), watched.generation, found))


def _follow(channel: Channel, watched: Watched, now_s: float) -> None:
    """Who publishes and who encodes may have changed."""
    source = channel.source
    if source.publisher is not watched.publisher:
        watched.publisher, watched.since_s = source.publisher, now_s
        watched.aside_s = watched.aside_until_s = 0.0
        watched.flow.begin_source()
    flows = source.is_up and now_s - source.last_data_s <= FLOWS_S
    if flows and not watched.flows:
        # What was shown while it did not says nothing of how its packets are encoded.
        watched.since_s = now_s
        watched.tap.programme.forget_picture()
        watched.flow.begin_source()
    watched.flows = flows
    plan = channel.shown_plan
    # Two that encode along with each other speak in turn: they are one.
    both = plan.grade is StandbyGrade.ACTIVE_ACTIVE and plan.active is not None
    generation = plan.active.generation if both and plan.active is not None else channel.switch.generation
    renditions = plan.ladder.renditions
    # The lowest: all of them are made of the same picture, and it costs least.
    track = renditions[-1].name if renditions and plan.mode is StreamMode.TRANSCODE else None
    is_other = watched.tap.follow(track)
    if is_other or generation != watched.generation:
        watched.generation = generation
        watched.tap.programme.forget_picture()
        watched.content.begin_programme()
        watched.flow.begin_programme()
        if track is not None and is_other:
            for message in channel.programme.known(track):
                watched.tap.programme.learn(message)


def _feed(watched: Watched, taken: Taken, seen: Seen, *, is_source: bool) -> None:
    room, at_ms = taken.look.room, taken.picture_ms
    if at_ms is not None and seen.mean is not None and seen.dark_share is not None and seen.light_share is not None:
        before_ms = watched.compared_ms.get(room) if seen.change is not None else None
        watched.compared_ms = {name: ms for name, ms in watched.compared_ms.items() if name.endswith("/source")} | {
            room: at_ms
        }
        sample = PictureSample(at_ms, seen.mean, seen.dark_share, seen.light_share, seen.change, before_ms)
        watched.content.see(sample, is_source=is_source)
    if taken.sound_ms is not None and taken.sound_from_ms is not None and seen.rms_dbfs is not None:
        peak_dbfs = seen.rms_dbfs if seen.peak_dbfs is None else seen.peak_dbfs
        sound = SoundSample(taken.sound_from_ms, taken.sound_ms, seen.rms_dbfs, peak_dbfs)
        watched.content.hear(sound, is_source=is_source)

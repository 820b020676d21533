"""What is told of a channel's workers and their switches. Leaves the switches themselves to `worker_seat`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from app.domain.failover import SwitchKind
from app.domain.ladder import AUDIO_TRACK
from app.domain.link import Fact, StandbyReady, Switched, WorkerDown
from app.domain.stream import ChannelPlan
from app.media.feed import WorkerLink
from app.media.programme import Programme
from app.media.seat_events import Before, Gave, Lost, Proved, Released, SeatEvent
from app.media.selection import header_arrival
from app.media.switch import OutputSwitch


class Told(Protocol):
    """What is asked of the channel."""

    plan: ChannelPlan
    programme: Programme
    switch: OutputSwitch
    tell: Callable[[Fact], None]
    utc_now: Callable[[], datetime]


class SwitchLog:
    def __init__(self, channel: Told) -> None:
        self._channel = channel

    def on_event(self, event: SeatEvent) -> None:
        match event:
            case Lost(before=Before(link=link), loss=loss) if link is not None:
                self._tell_down(link, loss.reason)
            case Released(link=link, reason=reason):
                self._tell_down(link, reason)
            case Proved():
                self._tell_ready(event)
            case Gave():
                self._pass_on_headers(event)
                if event.kind is not SwitchKind.REPLACED:
                    self._tell_switched(event)

    def _tell_down(self, link: WorkerLink, reason: str) -> None:
        channel = self._channel
        channel.tell(WorkerDown(channel.plan.stream_id, link.worker_id, link.generation, channel.utc_now(), reason))

    def _tell_ready(self, event: Proved) -> None:
        channel, link = self._channel, event.link
        known = {track: channel.programme.header(track) for track in event.headers if track != AUDIO_TRACK}
        same = None
        if known and None not in known.values():
            same = all(event.headers[track].payload == payload for track, payload in known.items())
        at, stream_id = channel.utc_now(), channel.plan.stream_id
        channel.tell(StandbyReady(stream_id, link.worker_id, link.generation, at, same))

    def _pass_on_headers(self, event: Gave) -> None:
        """A worker that stood by has published its headers already: those that differ are news."""
        channel = self._channel
        for track, message in event.headers.items():
            if channel.switch.knows(track) and message.payload != channel.programme.header(track):
                channel.programme.push_track(track, header_arrival([message]))

    def _tell_switched(self, event: Gave) -> None:
        channel, before = self._channel, event.before
        channel.tell(
            Switched(
                channel.plan.stream_id,
                channel.utc_now(),
                before.link.worker_id if before.link is not None else None,
                before.generation,
                event.link.worker_id,
                event.link.generation,
                event.kind,
                event.cause,
                event.evidence,
                event.decided_by,
            )
        )

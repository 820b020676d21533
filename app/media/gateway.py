"""All channels of one gateway: opens and closes them by order, finds them by key, tells their state once a second.

Keeps serving under the last plans it was given when control is away. Sockets are the doors' business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from app.domain.errors import Conflict, InvalidRequest, NotFound
from app.domain.ids import StreamId
from app.domain.link import CloseChannel, Fact, OpenChannel, Order, PublishRefused, SwitchInput, SwitchStream
from app.domain.stream import ChannelPlan, Input
from app.media.admission import (
    EXPIRED,
    MALFORMED,
    NO_SUCH_KEY,
    STARTING,
    TOO_MANY,
    GuessLimit,
    digest,
    is_expired,
    published_key,
)
from app.media.channel import Channel
from app.media.outputs import ChannelOutputs
from app.media.programme import muxed_names

TICK_S: Final = 0.1
READING_S: Final = 1.0
ENDED_KEPT_S: Final = 60.0
"""Ended playlists are served this long, so every player learns of the end."""
_MAX_ENDED: Final = 256


class Room:
    """A channel with its outputs."""

    __slots__ = ("_applying", "channel", "outputs")

    def __init__(self, channel: Channel, outputs: ChannelOutputs) -> None:
        self.channel = channel
        self.outputs = outputs
        self._applying = asyncio.Lock()

    async def apply_outputs(self) -> None:
        """Bring what is sent away to what is shown, one time after the other."""
        async with self._applying:
            if not self.channel.ended:
                await self.outputs.apply(self.channel.plan, self.channel.programme)


class Gateway:
    def __init__(
        self,
        *,
        tell: Callable[[Fact], None],
        monotonic: Callable[[], float],
        utc_now: Callable[[], datetime],
        make_outputs: Callable[[], ChannelOutputs],
    ) -> None:
        self._tell = tell
        self._monotonic = monotonic
        self._utc_now = utc_now
        self._make_outputs = make_outputs
        self._rooms: dict[StreamId, Room] = {}
        self._by_key: dict[str, tuple[Room, Input]] = {}
        self._by_playback: dict[str, Room] = {}
        self._revisions: dict[StreamId, int] = {}
        self._ended: dict[str, tuple[float, Room]] = {}
        self._guesses = GuessLimit()
        self._has_orders = False
        self.refused = 0
        """Publishers turned away."""
        self.workers_refused = 0
        """Workers turned away: unknown ones, and those whose time is over."""

    # --- orders ----------------------------------------------------------------------------------------

    async def perform(self, order: Order) -> None:
        """Carry out an order. Raises Conflict for an older revision or a standby that is not ready, NotFound
        for a switch of a stream that is not here, InvalidRequest for what is a node's.
        """
        self._has_orders = True
        if isinstance(order, OpenChannel):
            await self.open(order.plan)
        elif isinstance(order, CloseChannel):
            await self.close(order.stream_id, order.reason)
        elif isinstance(order, SwitchStream):
            self._channel_of(order.stream_id).switch_to(order)
        elif isinstance(order, SwitchInput):
            self._channel_of(order.stream_id).input_log.switch_to(order)
        else:
            raise InvalidRequest(f"a gateway does not take {type(order).__name__}")

    async def open(self, plan: ChannelPlan) -> None:
        held = self._revisions.get(plan.stream_id)
        if held is not None and plan.revision < held:
            raise Conflict(f"revision {plan.revision} is older than {held}, which is held")
        room = self._rooms.get(plan.stream_id)
        if room is not None and room.channel.plan.mode is not plan.mode:
            raise Conflict("a running stream cannot change between transcoding and passing through")
        if room is None:
            room = self._rooms[plan.stream_id] = self._build(plan)
        else:
            self._forget_names(room)
            room.channel.apply(plan)
        self._revisions[plan.stream_id] = plan.revision
        self._by_key[plan.key_sha256] = room, Input.MAIN
        if plan.backup_key_sha256 is not None:
            self._by_key[plan.backup_key_sha256] = room, Input.BACKUP
        self._by_playback[plan.playback_id] = room
        self._ended.pop(plan.playback_id, None)
        await room.apply_outputs()

    async def close(self, stream_id: StreamId, reason: str) -> None:
        room = self._rooms.pop(stream_id, None)
        self._revisions.pop(stream_id, None)
        if room is None:
            return
        self._forget_names(room)
        room.channel.end(reason)
        if len(self._ended) >= _MAX_ENDED:
            self._ended.pop(next(iter(self._ended)))
        self._ended[room.channel.plan.playback_id] = (self._monotonic() + ENDED_KEPT_S, room)
        await room.outputs.close()

    def _channel_of(self, stream_id: StreamId) -> Channel:
        room = self._rooms.get(stream_id)
        if room is None:
            raise NotFound(f"no channel of stream {stream_id} is open here")
        return room.channel

    def _build(self, plan: ChannelPlan) -> Room:
        channel = Channel(plan, tell=self._tell, monotonic=self._monotonic, utc_now=self._utc_now)
        return Room(channel, self._make_outputs())

    def _forget_names(self, room: Room) -> None:
        plan = room.channel.plan
        self._by_key.pop(plan.key_sha256, None)
        if plan.backup_key_sha256 is not None:
            self._by_key.pop(plan.backup_key_sha256, None)
        self._by_playback.pop(plan.playback_id, None)

    # --- look-ups --------------------------------------------------------------------------------------

    def publisher_channel(self, name: str, peer: tuple[str, int]) -> tuple[Channel, Input] | str:
        """The channel and input that `name` holds the key of, or the reason to refuse it, which control is told."""
        now_s = self._monotonic()
        address = peer[0]
        key = published_key(name)
        found = self._by_key.get(digest(key)) if key is not None else None
        if found is None and not self._has_orders:
            return self._refuse(None, peer, STARTING)
        if found is None:
            # Only wrong keys meet the limit: one mistyped key must not shut out a whole studio behind one address.
            if self._guesses.is_blocked(address, now_s):
                self.refused += 1
                return TOO_MANY
            self._guesses.wrong(address, now_s)
            return self._refuse(None, peer, MALFORMED if key is None else NO_SUCH_KEY)
        self._guesses.right(address)
        channel, name_of_input = found[0].channel, found[1]
        stream_id = channel.plan.stream_id
        if is_expired(channel.plan, self._utc_now()):
            return self._refuse(stream_id, peer, EXPIRED)
        reason = channel.refusal(now_s, name_of_input)
        return (channel, name_of_input) if reason is None else self._refuse(stream_id, peer, reason)

    def by_stream(self, stream_id: str) -> Channel | None:
        room = self._rooms.get(StreamId(stream_id))
        return room.channel if room is not None else None

    def by_playback(self, playback_id: str) -> Channel | None:
        """The channel that viewers know by `playback_id`; one that ended a moment ago too."""
        room = self._by_playback.get(playback_id)
        if room is None and playback_id in self._ended:
            room = self._ended[playback_id][1]
        return room.channel if room is not None else None

    def by_play_name(self, name: str) -> tuple[Channel, str] | None:
        """The channel and the muxed stream that `<playback_id>` or `<playback_id>_<rendition>` names."""
        channel = self.by_playback(name)
        if channel is not None:
            return channel, muxed_names(channel.shown_plan)[0]
        at = name.find("_", len("play_"))
        if at < 0 or (channel := self.by_playback(name[:at])) is None:
            return None
        rendition = channel.programme.rendition(name[at + 1 :])
        return (channel, rendition) if rendition in muxed_names(channel.shown_plan) else None

    def rooms(self) -> Iterator[Room]:
        return iter(self._rooms.values())

    # --- time ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tick and tell readings until cancelled."""
        async with asyncio.TaskGroup() as changes:
            await self._run(changes)

    async def _run(self, changes: asyncio.TaskGroup) -> None:
        told_s = self._monotonic()
        while True:
            await asyncio.sleep(self._pause_s())
            now_s = self._monotonic()
            for room in tuple(self._rooms.values()):
                room.channel.tick(now_s)
                if room.channel.outputs_changed:
                    room.channel.outputs_changed = False
                    # Beside the ticks: a push that ends slowly must not hide a worker that stands still.
                    changes.create_task(room.apply_outputs())
            for playback_id in [key for key, (until_s, _) in self._ended.items() if now_s > until_s]:
                del self._ended[playback_id]
            if now_s - told_s >= READING_S:
                told_s = now_s
                for room in self._rooms.values():
                    self._tell(room.channel.reading(room.outputs.readings(), room.outputs.recording_bytes))

    def _pause_s(self) -> float:
        """Until the next tick, or until a deadline of a channel that comes before it."""
        now_s = self._monotonic()
        dues = [due - now_s for room in self._rooms.values() if (due := room.channel.due) is not None]
        return min([TICK_S, *[pause_s for pause_s in dues if pause_s > 0]])

    async def drain(self, reason: str) -> None:
        """Let everybody go; the streams themselves are not over."""
        await asyncio.gather(*[self.close(stream_id, reason) for stream_id in self._rooms])

    def _refuse(self, stream_id: StreamId | None, peer: tuple[str, int], reason: str) -> str:
        self.refused += 1
        self._tell(PublishRefused(stream_id, self._utc_now(), f"{peer[0]}:{peer[1]}", reason))
        return reason

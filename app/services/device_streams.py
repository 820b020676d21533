"""Streams that devices feed: looks at each again and again, and has done what the policy says.

The record says what each device is to do, and outlives control; which input is on air is the gateway's word. How a
device is set up is `device_deeds.py`'s business.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import structlog

from app.domain.device import DeviceProfile
from app.domain.errors import Conflict, ManagerError, NoCapacity, Unavailable
from app.domain.events import Event, StreamErrorSeen
from app.domain.failover import DecidedBy
from app.domain.fleet import PlacementDecision
from app.domain.ids import EncoderId, StreamId
from app.domain.session import StreamRecord
from app.domain.severity import Severity
from app.domain.stream import Input
from app.policy.device_feed import Command, Deed, SeatSeen, judge
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper
from app.services.device_deeds import DeviceDeeds
from app.services.device_heat import DeviceHeat
from app.services.device_places import DevicePlaces, Room, Seat, feed_of
from app.services.devices import Devices
from app.services.fleet import Fleet
from app.services.gateways import Gateways, rtmp_url
from app.services.live_streams import LiveStream, LiveStreams
from app.services.names import sha256_hex
from app.services.plans import with_feed

BEAT_S: Final = 0.5
RETURN_S: Final = 10.0
"""After control's start: time for gateways to dial in before a device counts as forgotten."""
SWITCH_S: Final = 13.0
"""A little longer than the gateway waits for a key frame."""
REST_S: Final = 5.0
"""After a deed that failed."""
TRIED: Final = 3
"""Devices that are asked before the caller is told that none takes the stream."""

log = structlog.get_logger()


class DeviceStreams:
    """`run` runs until cancelled."""

    def __init__(
        self,
        *,
        streams: LiveStreams,
        devices: Devices,
        places: DevicePlaces,
        deeds: DeviceDeeds,
        heat: DeviceHeat,
        fleet: Fleet,
        gateways: Gateways,
        bus: Bus[Event],
        keeper: TaskGroupKeeper,
    ) -> None:
        self._streams = streams
        self._devices = devices
        self._places = places
        self._deeds = deeds
        self._heat = heat
        self._fleet = fleet
        self._gateways = gateways
        self._bus = bus
        self._keeper = keeper

    async def run(self) -> None:
        began = monotonic()
        while True:
            now = monotonic()
            for stream in self._streams:
                if stream.record.feed is not None and stream.seen.reading is not None:
                    self.look(stream, now)
            if (found := self._heat.next(now)) is not None:
                self._start(*found)
            if now - began >= RETURN_S:
                self._deeds.look_for_forgotten(self._is_over)
            self._deeds.quiet_strays()
            await asyncio.sleep(BEAT_S)

    def _is_over(self, held: DeviceProfile) -> bool:
        """Whether a device streams to a gateway of ours with a key that opens no stream of it (any more)."""
        if held.rtmp_url not in {rtmp_url(gateway) for gateway in self._gateways.connected()}:
            return False
        digest = sha256_hex(held.stream_key)
        return all(digest not in (s.record.key_sha256, s.record.backup_key_sha256) for s in self._streams)

    def ended(self, record: StreamRecord) -> None:
        """The end of a stream frees its devices."""
        self._places.release(record.stream_id)
        for encoder_id in () if record.feed is None else (record.feed.primary_id, record.feed.backup_id):
            if encoder_id is not None:
                self._deeds.leave(encoder_id)

    def promises_of_the_store(self) -> None:
        """Write down the devices that running streams hold, before the first new one may be given."""
        for stream in self._streams:
            feed = stream.record.feed
            if feed is not None:
                self._places.promise(stream.id, feed)

    # --- opening

    def placed(self, stream: LiveStream) -> PlacementDecision:
        """Give the stream its devices, the backup if there is one. Raises NoCapacity."""
        return self._places.take_both(stream)

    def release(self, stream_id: StreamId) -> None:
        """It was not opened after all."""
        self._places.release(stream_id)

    async def begin(self, stream: LiveStream) -> None:
        """Have its primary stream; the backup follows by itself. The caller holds the stream's lock.

        Raises what the last device that was asked answered.
        """
        room = self._places.room(stream)
        for attempt in range(1, TRIED + 1):
            name = feed_of(stream).primary
            encoder_id, seat = self._places.at(stream, name), room.seats[name]
            seat.busy = True
            try:
                await self._deeds.start(encoder_id, self._places.profile(stream, name))
                seat.started_at = seat.set_up_at = monotonic()
                return
            except ManagerError as error:
                log.warning("device refused", stream_id=stream.id, encoder_id=encoder_id, reason=error.detail)
                room.failed_on[encoder_id] = monotonic()
                if attempt == TRIED or not self._seat_another(stream):
                    raise
            finally:
                seat.busy = False
                self._streams.save_later(stream)

    def _seat_another(self, stream: LiveStream) -> bool:
        """Have a third device as primary, else the backup, on its own input. False: there is none."""
        feed, failed = feed_of(stream), self._places.room(stream).failed_on
        try:
            found: EncoderId | None = self._places.place(stream, feed.primary)
        except NoCapacity:
            found = None
        if found is not None and found not in failed:
            stream.record = with_feed(stream.record, feed.seated(feed.primary, found))
            return True
        if feed.backup_id is None or feed.backup_id in failed:
            return False
        alone = replace(feed.seated(feed.primary, None), primary=feed.primary.other)
        stream.record = with_feed(stream.record, alone)
        self._places.promise(stream.id, alone)
        return True

    # --- what operators do

    async def make_way(self, encoder_id: EncoderId, *, cause: str) -> None:
        """Have another device on air where this one is. `cause` is for the report.

        Raises Conflict where none is ready, Unavailable.
        """
        for stream, name in self._fed_by(encoder_id):
            if stream.seen.on_air is not name:
                continue
            if not stream.seen.flows(name.other):
                raise Conflict(
                    f"{encoder_id} is on air for {stream.id} and no other device sends beside it",
                    hint="Wait until the stream is protected, or end it.",
                )
            await self.switch_to(stream, name.other, cause=cause, decided_by=DecidedBy.OPERATOR)
            deadline = monotonic() + SWITCH_S
            while stream.seen.on_air is name:
                if monotonic() > deadline:
                    raise Unavailable("the gateway did not change to the other device in time")
                await asyncio.sleep(BEAT_S / 2)

    async def reboot(self, encoder_id: EncoderId) -> None:
        """Raises as `make_way`, and DeviceError."""
        await self.make_way(encoder_id, cause="reboot of a device")
        await self._deeds.reboot(encoder_id)

    async def restart_on(self, encoder_id: EncoderId) -> None:
        """Have the device begin its stream anew, off the air. Raises as `make_way`."""
        await self.make_way(encoder_id, cause="restart of a device")
        self.begin_anew(encoder_id)

    def begin_anew(self, encoder_id: EncoderId) -> None:
        """The same where it is, for who made way before, or knows that nothing comes. Raises Conflict."""
        for stream, name in self._fed_by(encoder_id):
            if self._places.room(stream).seats[name].busy:
                raise Conflict(f"{encoder_id} is being set up", hint="Try again in a moment.")
            self._start(stream, Command(Deed.RESTART, name, "by an operator's wish"))

    def _fed_by(self, encoder_id: EncoderId) -> tuple[tuple[LiveStream, Input], ...]:
        found = ((s, s.record.feed.input_of(encoder_id)) for s in self._streams if s.record.feed is not None)
        return tuple((stream, name) for stream, name in found if name is not None)

    # --- looking

    def look(self, stream: LiveStream, now: float) -> None:
        room, feed = self._places.room(stream), feed_of(stream)
        seen = {name: self._seen(stream, room, name, now) for name in Input}
        commands = judge(seen, primary=feed.primary, on_air=stream.seen.on_air, hot=feed.is_hot, now=now)
        for command in commands:
            if command.deed is Deed.PROMOTE:
                self._promote(stream, command.input)
            elif command.waits_its_turn:
                self._heat.wait(stream, command)
            else:
                self._start(stream, command)
        self._heat.tell_who_stays(stream, seen, feed_of(stream).primary, now)

    def _seen(self, stream: LiveStream, room: Room, name: Input, now: float) -> SeatSeen:
        seat, encoder_id = room.seats[name], feed_of(stream).seat(name).encoder_id
        flows = stream.seen.flows(name)
        if flows or encoder_id is None:
            seat.quiet_since = None
            seat.failures = 0 if flows else seat.failures
        elif seat.quiet_since is None:
            seat.quiet_since = now
        presence = None if encoder_id is None else self._fleet.state(encoder_id, now)
        reading = None if encoder_id is None else self._devices.reading(encoder_id)
        if reading is None or reading.has_input is not False:
            seat.blind_since = None
        elif seat.blind_since is None:
            seat.blind_since = now
        leave, shun, has_cooler = self._heat.against(stream, name, now)
        return SeatSeen(
            encoder_id=encoder_id,
            state=None if presence is None or encoder_id not in self._devices else presence.state,
            engine=None if reading is None else reading.streaming,
            flows=flows,
            busy=seat.busy,
            rests_until=seat.rests_until,
            failures=seat.failures,
            started_at=seat.started_at,
            quiet_since=seat.quiet_since,
            has_input=None if reading is None else reading.has_input,
            blind_since=seat.blind_since,
            set_up_at=seat.set_up_at,
            leave=leave,
            shun=shun,
            has_cooler=has_cooler,
        )

    # --- deeds

    def _start(self, stream: LiveStream, command: Command) -> None:
        self._places.room(stream).seats[command.input].busy = True
        name = f"{command.deed} {stream.id} {command.input}"
        self._keeper.start(self._carry_out(stream, command), name=name)

    async def _carry_out(self, stream: LiveStream, command: Command) -> None:
        seat = self._places.room(stream).seats[command.input]
        try:
            await self._do(stream, command)
            seat.told = None
        except ManagerError as error:
            seat.failures += command.deed is not Deed.SEEK
            seat.rests_until = monotonic() + REST_S
            self._tell_failure(stream, seat, command, error)
        finally:
            seat.busy = False

    async def _do(self, stream: LiveStream, command: Command) -> None:
        name, seat = command.input, self._places.room(stream).seats[command.input]
        match command.deed:
            case Deed.SEEK:
                await self._seek(stream, name)
            case Deed.LET_GO:
                await self._let_go(stream, name, command.reason)
            case Deed.SWITCH_TO:
                await self.switch_to(stream, name, cause=command.reason, decided_by=command.decided_by)
                seat.rests_until = monotonic() + REST_S
            case Deed.START:
                await self._deeds.start(self._places.at(stream, name), self._places.profile(stream, name))
                seat.started_at = seat.set_up_at = monotonic()
            case Deed.RESTART:
                await self._deeds.restart(self._places.at(stream, name), self._places.profile(stream, name))
                seat.started_at = monotonic()
                seat.failures += 1  # until something comes
            case Deed.STAND_BY:
                await self._deeds.stand_by(self._places.at(stream, name), self._places.profile(stream, name))
                seat.set_up_at, seat.started_at = monotonic(), None

    async def switch_to(self, stream: LiveStream, name: Input, *, cause: str, decided_by: DecidedBy) -> None:
        """Put this input on air at its next key frame. Raises the gateway's answer."""
        await self._gateways.switch_input(stream.record, name, cause=cause, decided_by=decided_by)

    def _promote(self, stream: LiveStream, name: Input) -> None:
        """The record follows the gateway, without waiting for anybody."""
        feed = replace(feed_of(stream), primary=name)
        stream.record = with_feed(stream.record, feed)
        self._streams.save_later(stream)
        self._places.promise(stream.id, feed)
        was, now = feed.backup_id or "nobody", feed.primary_id or "nobody"
        log.info("device on air", stream_id=stream.id, input=name.value, from_id=was, to_id=now)
        self._error(stream, Severity.WARNING, "input changed", f"{was} is on air no more", f"{now} took over")

    async def _seek(self, stream: LiveStream, name: Input) -> None:
        async with stream.lock:
            feed = stream.record.feed
            if stream.ended or feed is None or feed.seat(name).encoder_id is not None:
                return
            found = self._places.place(stream, name)
            await self._places.save(stream, feed_of(stream).seated(name, found))
        self._places.renew(stream, name)
        log.info("device found", stream_id=stream.id, input=name.value, encoder_id=found)

    async def _let_go(self, stream: LiveStream, name: Input, reason: str) -> None:
        async with stream.lock:
            feed = stream.record.feed
            gone = None if feed is None else feed.seat(name).encoder_id
            if stream.ended or feed is None or gone is None:
                return
            self._places.room(stream).failed_on[gone] = monotonic()
            await self._places.save(stream, feed.seated(name, None))
            self._places.promise(stream.id, feed_of(stream))
        self._places.renew(stream, name)
        self._deeds.leave(gone)
        self._error(stream, Severity.WARNING, "device given up", f"{gone}: {reason}", "another device is sought")

    # --- inside

    def _tell_failure(self, stream: LiveStream, seat: Seat, command: Command, error: ManagerError) -> None:
        log.warning("device deed failed", stream_id=stream.id, deed=command.deed.value, reason=error.detail)
        if seat.told != error.detail:
            seat.told = error.detail
            cause = f"{command.input} device: {command.deed}"
            self._error(stream, Severity.WARNING, cause, error.detail, f"tried again in {REST_S:g} s")

    def _error(self, stream: LiveStream, severity: Severity, cause: str, detail: str, acted: str) -> None:
        self._bus.tell(StreamErrorSeen(stream.id, stream.record.tenant, severity, cause, detail, utc_now(), acted))

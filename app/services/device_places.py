"""The places of devices in streams: who sits on which input, by the balancer's book and by the record.

Remembers what control has seen of each seat while it runs; what is to be done about it is the policy's to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from app.domain.device import DeviceProfile
from app.domain.device_feed import DeviceFeed, DevicePicture, DeviceSeat
from app.domain.encoder import HARDWARE, EncoderKind
from app.domain.errors import NotFound
from app.domain.fleet import PlacementDecision, Role
from app.domain.ids import EncoderId, StreamId
from app.domain.secret import Secret
from app.domain.session import DeviceWish, StreamRequest
from app.domain.stream import Input
from app.policy.placement import Need
from app.runtime.clock import monotonic
from app.services.fleet import Fleet
from app.services.gateways import Gateways, rtmp_url
from app.services.live_streams import AVOID_S, LiveStream, LiveStreams
from app.services.load_balancer import LoadBalancer
from app.services.plans import with_feed

AUDIO_BPS: Final = 128_000


@dataclass(slots=True)
class Seat:
    busy: bool = False
    rests_until: float = 0.0
    failures: int = 0
    started_at: float | None = None
    quiet_since: float | None = None
    blind_since: float | None = None
    set_up_at: float | None = None
    told: str | None = None
    """The fault that was told last, so that it is told once."""
    cooler_asked_at: float | None = None
    has_cooler: bool = False
    """Found then, in place of a device that is too hot."""
    stays_told: bool = False

    def renew(self) -> None:
        """In its place, because a deed that is under way holds it."""
        self.rests_until, self.failures = 0.0, 0
        self.started_at = self.quiet_since = self.blind_since = self.set_up_at = None
        self.cooler_asked_at, self.has_cooler, self.stays_told = None, False, False


@dataclass(slots=True)
class Room:
    """What is remembered of one stream's devices while control runs."""

    seats: dict[Input, Seat] = field(default_factory=lambda: {name: Seat() for name in Input})
    failed_on: dict[EncoderId, float] = field(default_factory=dict)

    def avoided(self, now: float) -> tuple[EncoderId, ...]:
        """The one that failed longest ago first."""
        self.failed_on = {e: at for e, at in self.failed_on.items() if now - at < AVOID_S}
        return tuple(sorted(self.failed_on, key=lambda encoder_id: self.failed_on[encoder_id]))


class DevicePlaces:
    def __init__(self, *, streams: LiveStreams, fleet: Fleet, gateways: Gateways, balancer: LoadBalancer) -> None:
        self._streams = streams
        self._fleet = fleet
        self._gateways = gateways
        self._balancer = balancer
        self._rooms: dict[StreamId, Room] = {}

    def room(self, stream: LiveStream) -> Room:
        return self._rooms.setdefault(stream.id, Room())

    def renew(self, stream: LiveStream, name: Input) -> None:
        """Another device, or another picture: what was seen of the old one counts no more."""
        self.room(stream).seats[name].renew()

    def release(self, stream_id: StreamId) -> None:
        """The stream is over, or was not opened after all."""
        self._rooms.pop(stream_id, None)
        self._balancer.release(feed_id(stream_id))

    def take_both(self, stream: LiveStream) -> PlacementDecision:
        """Give the stream its devices, the backup if there is one. Raises NoCapacity."""
        decision = self._balancer.place(feed_id(stream.id), need_of(stream))
        seated = feed_of(stream).seated(Input.MAIN, decision.primary_id).seated(Input.BACKUP, decision.backup_id)
        stream.record = with_feed(stream.record, seated)
        return decision

    def place(self, stream: LiveStream, name: Input) -> EncoderId:
        """Reserve a device for this input. Raises NoCapacity."""
        feed, room, place = feed_of(stream), self.room(stream), feed_id(stream.id)
        avoid = room.avoided(monotonic())
        beside = feed.seat(name.other).encoder_id
        info = None if beside is None else self._fleet.info(beside)
        if info is None:
            return self._balancer.place_primary(place, need_of(stream), avoid=avoid)
        found = self._balancer.place_backup(place, need_of(stream), primary=info, avoid=avoid)
        if name is feed.primary:
            self.promise(stream.id, feed.seated(name, found))
        return found

    def has_cooler(self, stream: LiveStream) -> bool:
        """Whether another device could take a place of the stream now; not one that was given up lately."""
        feed = feed_of(stream)
        seated = tuple(e for e in (feed.primary_id, feed.backup_id) if e is not None)
        besides = (*seated, *self.room(stream).avoided(monotonic()))
        return self._balancer.has_other(feed_id(stream.id), need_of(stream), besides)

    def promise(self, stream_id: StreamId, feed: DeviceFeed) -> None:
        """The book as this feed has it."""
        place = feed_id(stream_id)
        for role, encoder_id in ((Role.PRIMARY, feed.primary_id), (Role.BACKUP, feed.backup_id)):
            if encoder_id is None:
                self._balancer.release(place, role)
            else:
                self._balancer.adopt(place, encoder_id, role, Need(_pixels(feed), "auto", kinds=_kinds(feed.kind)))

    async def save(self, stream: LiveStream, feed: DeviceFeed) -> None:
        await self._streams.save_or_later(stream, with_feed(stream.record, feed))

    def at(self, stream: LiveStream, name: Input) -> EncoderId:
        """Raises NotFound."""
        encoder_id = feed_of(stream).seat(name).encoder_id
        if encoder_id is None:
            raise NotFound(f"no device feeds the {name} input")
        return encoder_id

    def profile(self, stream: LiveStream, name: Input) -> DeviceProfile:
        """Raises Unavailable before the stream's gateway has come."""
        feed = feed_of(stream)
        picture = feed.picture
        return DeviceProfile(
            rtmp_url=rtmp_url(self._gateways.of(stream.record.gateway_id)),
            stream_key=feed.seat(name).key,
            width=picture.width,
            height=picture.height,
            video_bps=picture.video_bps,
            audio_bps=picture.audio_bps,
            fps=picture.fps,
            keyframe_interval_ms=picture.keyframe_interval_ms,
        )


def feed_id(stream_id: StreamId) -> StreamId:
    """Under which the places of a stream's devices are kept: its workers have places of their own."""
    return StreamId(f"{stream_id}/input")


def feed_of(stream: LiveStream) -> DeviceFeed:
    feed = stream.record.feed
    assert feed is not None, "asked for streams of devices alone"
    return feed


def new_feed(request: StreamRequest, wish: DeviceWish, *, main: Secret, backup: Secret) -> DeviceFeed:
    """What the devices of a stream that is opened are to do, before any is chosen."""
    picture = DevicePicture(
        width=request.width,
        height=request.height,
        fps=request.fps,
        video_bps=request.bitrate_bps,
        audio_bps=AUDIO_BPS,
        keyframe_interval_ms=request.keyframe_interval_ms,
    )
    return DeviceFeed(picture, DeviceSeat(main), DeviceSeat(backup), wish.kind, wish.grade)


def need_of(stream: LiveStream) -> Need:
    feed = feed_of(stream)
    return Need(_pixels(feed), "auto", stream.record.region, kinds=_kinds(feed.kind))


def _pixels(feed: DeviceFeed) -> float:
    return feed.picture.width * feed.picture.height * feed.picture.fps


def _kinds(kind: EncoderKind | None) -> frozenset[EncoderKind]:
    return HARDWARE if kind is None else frozenset({kind})

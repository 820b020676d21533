"""Where a condition belongs: which encoder, machine, rack, gateway or destination it may share with others.

A stream that has just left an encoder suffers from the one it left, not from the one that took it; one without a
backup lacks the encoder that was its backup. So seats are remembered for a while.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from app.domain.condition import Category, Condition, SubjectKind
from app.domain.encoder import EncoderInfo
from app.domain.ids import DestinationId, EncoderId, GatewayId, StreamId
from app.domain.session import StreamHealth

LEFT_S: Final = 120.0
"""So long after an encoder was left, what befalls the stream is laid to it."""
_PLACES: Final = ("encoder", "host", "rack", "region", "version")
_NOT_PUSHED: Final = frozenset({"refused", "backing_off"})

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StreamPlace:
    """`device`: the hardware encoder that is its source, if one is."""

    gateway: GatewayId
    encoder: EncoderId | None
    device: EncoderId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """What is asked about the system. `host_of`: the machine a destination's address names, never the key in it."""

    encoders: Callable[[], Iterable[EncoderInfo]]
    streams: Callable[[], Iterable[tuple[StreamId, StreamPlace]]]
    encoder: Callable[[EncoderId], EncoderInfo | None]
    stream: Callable[[StreamId], StreamPlace | None]
    host_of: Callable[[StreamId, DestinationId], str | None]


@dataclass(slots=True)
class _Seat:
    primary: EncoderId | None = None
    backup: EncoderId | None = None
    left: EncoderId | None = None
    left_at: float = 0.0
    destination: str | None = None


@dataclass(slots=True)
class FaultLabels:
    around: Map
    _seats: dict[StreamId, _Seat] = field(default_factory=dict)
    _has_versions: bool = False
    """Where all have the same build, that they share it says nothing."""

    def seen(self, health: StreamHealth, now: float) -> None:
        seat = self._seats.setdefault(health.stream_id, _Seat())
        if seat.primary not in (None, health.primary_id):
            seat.left, seat.left_at = seat.primary, now
        elif seat.backup not in (None, health.backup_id, health.primary_id):
            seat.left, seat.left_at = seat.backup, now
        seat.primary, seat.backup = health.primary_id, health.backup_id
        if health.channel is not None:
            failing = sorted(one.id for one in health.channel.destinations if one.state in _NOT_PUSHED)
            seat.destination = self.around.host_of(health.stream_id, failing[0]) if failing else None

    def left(self, stream_id: StreamId, encoder_id: EncoderId, now: float) -> None:
        """An encoder of the stream was replaced."""
        if self.around.stream(stream_id) is None:
            return
        seat = self._seats.setdefault(stream_id, _Seat())
        seat.left, seat.left_at = encoder_id, now

    def forget(self, stream_id: StreamId) -> None:
        self._seats.pop(stream_id, None)

    def of(self, condition: Condition, now: float) -> Condition:
        """The condition with all that is known of its place, and without what only seems so."""
        known = dict(condition.labels)
        kind, name = condition.subject.kind, condition.subject.id
        encoder = known.get("encoder")
        if kind is SubjectKind.ENCODER:
            encoder = name
        elif kind is SubjectKind.STREAM:
            is_told = condition.name == "stream_failed_over"
            if not is_told:
                encoder = self._blamed(StreamId(name), condition, encoder, now)
                known = {label: value for label, value in known.items() if label not in _PLACES}
            known |= dict(self.stream_labels(StreamId(name)))
            seat = self._seats.get(StreamId(name))
            if condition.category is Category.BANDWIDTH and seat is not None and seat.destination is not None:
                known["destination"] = seat.destination
        if encoder is not None:
            known |= dict(self.encoder_labels(EncoderId(encoder)))
        return replace(condition, labels=tuple(sorted(known.items())))

    def stream_labels(self, stream_id: StreamId) -> Labels:
        place = self.around.stream(stream_id)
        return () if place is None else (("gateway", place.gateway),)

    def encoder_labels(self, encoder_id: EncoderId) -> Labels:
        info = self.around.encoder(encoder_id)
        found: list[tuple[str, str | None]] = [("encoder", encoder_id)]
        if info is not None:
            found += [("host", info.host_id), ("rack", info.rack), ("region", info.region)]
            if self._has_versions:
                found.append(("version", info.capabilities.build))
        return tuple((label, value) for label, value in found if value)

    def lost_by(self, stream_id: StreamId, now: float) -> EncoderId | None:
        """The encoder that the stream left lately, else the one it is on."""
        seat = self._seats.get(stream_id)
        if seat is not None and seat.left is not None and now - seat.left_at <= LEFT_S:
            return seat.left
        place = self.around.stream(stream_id)
        return None if place is None else place.encoder

    def _blamed(self, stream_id: StreamId, condition: Condition, told: str | None, now: float) -> str | None:
        side = dict(condition.labels).get("side")
        place = self.around.stream(stream_id)
        if side == "source":
            return None if place is None else place.device
        if side == "encoder":
            return told
        seat = self._seats.get(stream_id)
        if seat is not None and seat.left is not None and now - seat.left_at <= LEFT_S:
            return seat.left
        if condition.category is Category.FAILOVER:
            # It names the encoder that works; what is missing is another one.
            return None
        return told or (None if place is None else place.encoder)

    def population(self) -> Mapping[tuple[str, str], int]:
        """Encoders of each place, streams of each gateway and encoder. Asked again and again: the fleet changes."""
        counts: Counter[tuple[str, str]] = Counter()
        encoders = tuple(self.around.encoders())
        self._has_versions = len({info.capabilities.build for info in encoders}) > 1
        for info in encoders:
            counts.update(pair for pair in self.encoder_labels(info.encoder_id) if pair[0] != "encoder")
        for _, place in self.around.streams():
            counts["gateway", place.gateway] += 1
            if place.encoder is not None:
                counts["encoder", place.encoder] += 1
        return counts

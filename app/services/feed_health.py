"""How a stream that devices feed is protected, from its record and what its gateway tells."""

from __future__ import annotations

from app.domain.session import InputHealth, StandbyHealth, StandbyState
from app.domain.stream import Input, StreamMode
from app.services.live_streams import LiveStream


def feed_standby(stream: LiveStream) -> StandbyHealth | None:
    """None: no device feeds it, or its encoders are what protects it."""
    feed = stream.record.feed
    if feed is None or stream.record.mode is not StreamMode.PASSTHROUGH:
        return None
    if feed.backup_id is None:
        return StandbyHealth(feed.grade, StandbyState.SOUGHT)
    on_air = stream.seen.on_air or feed.primary
    ready = stream.seen.flows(on_air.other) if feed.is_hot else feed.seat(on_air.other).encoder_id is not None
    return StandbyHealth(feed.grade, StandbyState.READY if ready else StandbyState.PREPARING)


def inputs_of(stream: LiveStream) -> tuple[InputHealth, ...]:
    """Those that somebody is connected to or a device belongs to; empty while nothing is known of any."""
    feed, seen = stream.record.feed, stream.seen
    connected = set() if seen.reading is None else {each.input for each in seen.reading.inputs}
    shown = [name for name in Input if name in connected or feed is not None]
    seats = {name: None if feed is None else feed.seat(name).encoder_id for name in shown}
    return tuple(InputHealth(name, name is seen.on_air, seen.flows(name), seats[name]) for name in shown)

"""Puts error analysis together: the patterns it knows and what it asks about the system."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from app.domain.encoder import EncoderInfo
from app.domain.events import Event
from app.domain.ids import DestinationId, StreamId
from app.monitoring.alert_board import AlertBoard
from app.monitoring.error_analysis import ErrorAnalysis
from app.monitoring.fault_labels import Map, StreamPlace
from app.monitoring.pattern_file import PatternFile
from app.runtime.bus import Bus
from app.services.fleet import Fleet
from app.services.live_streams import LiveStream, LiveStreams


def error_analysis(
    *, file: PatternFile, board: AlertBoard, bus: Bus[Event], fleet: Fleet, streams: LiveStreams
) -> ErrorAnalysis:
    """It hears nothing before it is made to listen."""

    def encoders() -> Iterable[EncoderInfo]:
        return (member.info for member in fleet)

    def stream(stream_id: StreamId) -> StreamPlace | None:
        found = streams.find(stream_id)
        return None if found is None else _place(found)

    def host_of(stream_id: StreamId, destination_id: DestinationId) -> str | None:
        found = streams.find(stream_id)
        if found is None:
            return None
        urls = [one.url.reveal() for one in found.record.destinations if one.id == destination_id]
        return urlsplit(urls[0]).hostname if urls else None

    around = Map(
        encoders=encoders,
        streams=lambda: ((one.id, _place(one)) for one in streams),
        encoder=fleet.info,
        stream=stream,
        host_of=host_of,
    )
    return ErrorAnalysis(file=file, around=around, alerts=board, bus=bus)


def _place(stream: LiveStream) -> StreamPlace:
    active, feed = stream.active, stream.record.feed
    return StreamPlace(
        gateway=stream.record.gateway_id,
        encoder=None if active is None else active.encoder_id,
        device=None if feed is None else feed.primary_id,
    )

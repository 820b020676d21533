"""Streams: open, look, change, end, and why they are encoded where they are."""

from __future__ import annotations

from app.api.registry import Call, Endpoint, NoBody, RateKind
from app.api.schemas.encoders import DecisionView, PlacementAnswer
from app.api.schemas.health import HealthView
from app.api.schemas.stream_requests import ConfigBody, InitBody
from app.api.schemas.streams import (
    ChangedAnswer,
    OpenedAnswer,
    StreamEvent,
    StreamEvents,
    StreamList,
    StreamView,
)
from app.api.services import DoorServices
from app.domain.access import Scope
from app.domain.errors import Conflict, InvalidRequest, NoCapacity, NotFound, Unavailable
from app.domain.ids import StreamId
from app.domain.session import StreamRecord

TAG = "streams"


class StreamRoutes:
    def __init__(self, services: DoorServices) -> None:
        self._services = services
        self._streams = services.streams

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (*self._collection(), *self._single())

    def _collection(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="init_stream",
                method="POST",
                path="/streams/init",
                handler=self.init,
                summary="Open a streaming session; the stream key is shown in this answer only",
                scope=Scope.STREAMS,
                tag=TAG,
                body=InitBody,
                answer=OpenedAnswer,
                status=201,
                rate=RateKind.INIT,
                errors=(InvalidRequest, NoCapacity, Unavailable, Conflict),
                idempotent_by_key=True,
            ),
            Endpoint(
                name="list_streams",
                method="GET",
                path="/streams",
                handler=self.list_all,
                summary="The streams you may see",
                scope=Scope.READ,
                tag=TAG,
                answer=StreamList,
                errors=(Unavailable,),
            ),
        )

    def _single(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="get_stream",
                method="GET",
                path="/streams/{stream_id}",
                handler=self.get,
                summary="One stream: what it is and where it plays",
                scope=Scope.READ,
                tag=TAG,
                answer=StreamView,
                errors=(NotFound, Unavailable),
            ),
            Endpoint(
                name="get_stream_health",
                method="GET",
                path="/streams/{stream_id}/health",
                handler=self.health,
                summary="How one stream is",
                scope=Scope.READ,
                tag=TAG,
                answer=HealthView,
                errors=(NotFound, Unavailable),
            ),
            Endpoint(
                name="change_stream",
                method="PUT",
                path="/streams/{stream_id}/config",
                handler=self.change,
                summary="Change a running stream; says whether anything had to restart",
                scope=Scope.STREAMS,
                tag=TAG,
                body=ConfigBody,
                answer=ChangedAnswer,
                rate=RateKind.WRITE,
                errors=(NotFound, InvalidRequest, Conflict, NoCapacity, Unavailable),
            ),
            Endpoint(
                name="end_stream",
                method="DELETE",
                path="/streams/{stream_id}",
                handler=self.end,
                summary="End a stream: publisher, workers and viewers are let go",
                scope=Scope.STREAMS,
                tag=TAG,
                answer=StreamView,
                rate=RateKind.WRITE,
                errors=(NotFound, Conflict, Unavailable),
            ),
            Endpoint(
                name="list_stream_events",
                method="GET",
                path="/streams/{stream_id}/events",
                handler=self.events,
                summary="What happened to one stream: opened, taken over, errors, ended",
                scope=Scope.READ,
                tag=TAG,
                answer=StreamEvents,
                errors=(NotFound, Unavailable),
            ),
            Endpoint(
                name="explain_placement",
                method="GET",
                path="/streams/{stream_id}/placement",
                handler=self.placement,
                summary="Why these encoders, with the costs of all others",
                scope=Scope.READ,
                tag=TAG,
                answer=PlacementAnswer,
                errors=(NotFound,),
            ),
        )

    async def init(self, call: Call[InitBody]) -> OpenedAnswer:
        return OpenedAnswer.of(await self._streams.open(call.body.request(), call.who))

    async def list_all(self, call: Call[NoBody]) -> StreamList:
        records = await self._streams.list(call.who)
        return StreamList(streams=[self._view(record) for record in records])

    async def get(self, call: Call[NoBody]) -> StreamView:
        return self._view(await self._streams.get(_id(call), call.who))

    async def health(self, call: Call[NoBody]) -> HealthView:
        return HealthView.of(await self._streams.health(_id(call), call.who))

    async def change(self, call: Call[ConfigBody]) -> ChangedAnswer:
        outcome = await self._streams.change(_id(call), call.body.change(), call.who)
        return ChangedAnswer.of(outcome, self._view(outcome.record))

    async def end(self, call: Call[NoBody]) -> StreamView:
        await self._streams.end(_id(call), call.who)
        return await self.get(call)

    async def events(self, call: Call[NoBody]) -> StreamEvents:
        notes = await self._streams.events(_id(call), call.who)
        return StreamEvents(events=[StreamEvent(at=note.at, kind=note.kind, text=note.text) for note in notes])

    async def placement(self, call: Call[NoBody]) -> PlacementAnswer:
        decisions = self._streams.placement(_id(call), call.who)
        return PlacementAnswer(decisions=[DecisionView.of(decision) for decision in decisions])

    def _view(self, record: StreamRecord) -> StreamView:
        server, playback = self._services.places(record)
        return StreamView.of(record, server, playback)


def _id(call: Call[NoBody] | Call[ConfigBody]) -> StreamId:
    return StreamId(call.params["stream_id"])

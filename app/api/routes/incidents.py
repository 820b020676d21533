"""Incidents: the one cause behind many conditions, what follows from it, and the faults that are known."""

from __future__ import annotations

from collections.abc import Iterable

from app.api.registry import Call, Endpoint, NoBody
from app.api.schemas.incidents import (
    IncidentList,
    IncidentsQuery,
    IncidentSummary,
    IncidentView,
    PatternList,
    PatternView,
)
from app.api.services import DoorServices
from app.domain.access import Scope
from app.domain.condition import Subject, SubjectKind
from app.domain.errors import NotFound
from app.domain.ids import StreamId
from app.domain.incident import Incident, Sufferer

TAG = "incidents"
Visible = frozenset[StreamId] | None
"""The streams that somebody may see; None: all."""


class IncidentRoutes:
    def __init__(self, services: DoorServices) -> None:
        self._analysis = services.analysis
        self._services = services

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="list_incidents",
                method="GET",
                path="/monitoring/incidents",
                handler=self.list_incidents,
                summary="What is behind it all: those that last first, then the last 500 that are over",
                scope=Scope.READ,
                tag=TAG,
                body=IncidentsQuery,
                answer=IncidentList,
            ),
            Endpoint(
                name="get_incident",
                method="GET",
                path="/monitoring/incidents/{incident_id}",
                handler=self.show,
                summary="One incident: its cause and why, known faults that fit, and all that follows from it",
                scope=Scope.READ,
                tag=TAG,
                answer=IncidentView,
                errors=(NotFound,),
            ),
            Endpoint(
                name="list_fault_patterns",
                method="GET",
                path="/monitoring/patterns",
                handler=self.patterns,
                summary="Faults that are known, the evidence that tells them, and what could be done",
                scope=Scope.READ,
                tag=TAG,
                answer=PatternList,
            ),
        )

    async def list_incidents(self, call: Call[IncidentsQuery]) -> IncidentList:
        visible = self._services.visible(call.who)
        active, over = self._analysis.open(), self._analysis.over()
        kept = {None: (*active, *over), True: active, False: over}[call.body.active]
        shown = [one for one in kept if may_see(one, visible)]
        return IncidentList(incidents=[IncidentSummary.of(one) for one in shown[: call.body.limit]])

    async def show(self, call: Call[NoBody]) -> IncidentView:
        visible = self._services.visible(call.who)
        found = self._analysis.find(call.params["incident_id"])
        if found is None or not may_see(found, visible):
            raise NotFound("no such incident", hint="GET /api/monitoring/incidents lists them.")
        return IncidentView.of(found, _shown(found.signs, visible), _shown(found.children, visible))

    async def patterns(self, call: Call[NoBody]) -> PatternList:
        return PatternList(patterns=[PatternView.of(one) for one in self._analysis.patterns])


def may_see(incident: Incident, visible: Visible) -> bool:
    """What is about the system everybody may see; of what is about streams alone, those with one of their own."""
    everyone = (*incident.signs, *incident.children)
    return any(_is_shown(one.subject, visible) for one in everyone)


def _shown(sufferers: Iterable[Sufferer], visible: Visible) -> tuple[Sufferer, ...]:
    return tuple(one for one in sufferers if _is_shown(one.subject, visible))


def _is_shown(subject: Subject, visible: Visible) -> bool:
    return visible is None or subject.kind is not SubjectKind.STREAM or StreamId(subject.id) in visible

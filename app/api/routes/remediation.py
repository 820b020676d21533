"""How devices are mended: what was tried and why, breakers, and what a person wants tried."""

from __future__ import annotations

from app.api.registry import Call, Endpoint, NoBody, RateKind
from app.api.schemas.remediation import BreakerView, JournalQuery, RemediationView, RemedyBody, RunView
from app.api.services import DoorServices
from app.domain.access import Scope
from app.domain.errors import Conflict, NotFound, Unavailable
from app.domain.ids import EncoderId

TAG = "remediation"
PATH = "/monitoring/remediation"


class RemediationRoutes:
    def __init__(self, services: DoorServices) -> None:
        self._remedies = services.remedies

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="show_remediation",
                method="GET",
                path=PATH,
                handler=self.show,
                summary="The journal of remedies, open breakers, what is held back, and the catalogue",
                scope=Scope.ENCODERS,
                tag=TAG,
                body=JournalQuery,
                answer=RemediationView,
                errors=(Unavailable,),
            ),
            Endpoint(
                name="try_remedy",
                method="POST",
                path=PATH + "/{encoder_id}",
                handler=self.try_remedy,
                summary="Try a remedy on a device; how it goes on is in the journal",
                scope=Scope.ADMIN,
                tag=TAG,
                body=RemedyBody,
                answer=RunView,
                status=202,
                rate=RateKind.WRITE,
                errors=(NotFound, Conflict, Unavailable),
            ),
            Endpoint(
                name="clear_remedy_breaker",
                method="DELETE",
                path=PATH + "/{encoder_id}/breaker",
                handler=self.clear,
                summary="The device was looked at by a person: it may be mended again",
                scope=Scope.ADMIN,
                tag=TAG,
                answer=BreakerView,
                rate=RateKind.WRITE,
                errors=(NotFound, Unavailable),
            ),
        )

    async def show(self, call: Call[JournalQuery]) -> RemediationView:
        return RemediationView.of(await self._remedies.standing(limit=call.body.limit))

    async def try_remedy(self, call: Call[RemedyBody]) -> RunView:
        body, encoder_id = call.body, EncoderId(call.params["encoder_id"])
        run = await self._remedies.ask(encoder_id, body.remedy, call.who, dry_run=body.dry_run, force=body.force)
        return RunView.of(run)

    async def clear(self, call: Call[NoBody]) -> BreakerView:
        return BreakerView.of(await self._remedies.clear(EncoderId(call.params["encoder_id"]), call.who))

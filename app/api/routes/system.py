"""Probes, version, the API's own description, and what each kind of problem means. None needs a key."""

from __future__ import annotations

from collections.abc import Callable

from app.api.problems import KINDS
from app.api.registry import ROOT_ONLY, Call, Endpoint, NoBody, RateKind, Raw, WithStatus
from app.api.schemas.system import ApiIndex, Live, ProblemKind, Ready, Version
from app.api.services import DoorServices
from app.domain.errors import NotFound
from app.version import __version__

TAG = "system"


class SystemRoutes:
    """`openapi` gives the description of the whole API; it exists once all rows do."""

    def __init__(self, services: DoorServices, openapi: Callable[[], bytes]) -> None:
        self._services = services
        self._openapi = openapi

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="get_livez",
                method="GET",
                path="/livez",
                handler=self.live,
                summary="This process answers; nothing else is asked",
                scope=None,
                tag=TAG,
                answer=Live,
                rate=RateKind.PUBLIC,
                prefixes=ROOT_ONLY,
            ),
            Endpoint(
                name="get_readyz",
                method="GET",
                path="/readyz",
                handler=self.ready,
                summary="Can a stream be opened now; 503 if not",
                scope=None,
                tag=TAG,
                answer=Ready,
                other_statuses=(503,),
                rate=RateKind.PUBLIC,
                prefixes=ROOT_ONLY,
            ),
            Endpoint(
                name="get_version",
                method="GET",
                path="/version",
                handler=self.version,
                summary="What runs here",
                scope=None,
                tag=TAG,
                answer=Version,
                rate=RateKind.PUBLIC,
                prefixes=(*ROOT_ONLY, "/api/v1", "/api"),
            ),
            Endpoint(
                name="get_api",
                method="GET",
                path="",
                handler=self.index,
                summary="Where the API begins",
                scope=None,
                tag=TAG,
                answer=ApiIndex,
                rate=RateKind.PUBLIC,
                prefixes=("/api", "/api/v1"),
            ),
            Endpoint(
                name="get_openapi",
                method="GET",
                path="/openapi.json",
                handler=self.openapi,
                summary="This description: OpenAPI 3.1",
                scope=None,
                tag=TAG,
                rate=RateKind.PUBLIC,
                prefixes=("/api", "/api/v1"),
                content_type="application/vnd.oai.openapi+json;version=3.1",
            ),
            Endpoint(
                name="get_problem_kind",
                method="GET",
                path="/problems/{code}",
                handler=self.problem,
                summary="What a kind of problem means: the address in a problem's 'type'",
                scope=None,
                tag=TAG,
                answer=ProblemKind,
                rate=RateKind.PUBLIC,
                prefixes=ROOT_ONLY,
                errors=(NotFound,),
            ),
        )

    async def live(self, call: Call[NoBody]) -> Live:
        return Live(status="ok")

    async def ready(self, call: Call[NoBody]) -> Ready | WithStatus:
        missing = await self._services.ready()
        if missing:
            return WithStatus(503, Ready(status="not ready", missing=list(missing)))
        return Ready(status="ready", missing=[])

    async def version(self, call: Call[NoBody]) -> Version:
        return Version(version=__version__, api="v1")

    async def index(self, call: Call[NoBody]) -> ApiIndex:
        return ApiIndex(
            version=__version__,
            api="/api/v1",
            description=f"{call.base_url}/api/openapi.json",
            live=f"{call.base_url}/socket.io/",
        )

    async def openapi(self, call: Call[NoBody]) -> Raw:
        return Raw(self._openapi(), "application/vnd.oai.openapi+json;version=3.1")

    async def problem(self, call: Call[NoBody]) -> ProblemKind:
        kind = KINDS.get(call.params["code"])
        if kind is None:
            raise NotFound("there is no such kind of problem")
        return ProblemKind(code=kind.error.code, title=kind.title, status=kind.status, advice=kind.advice)

"""One typed row for each thing the API can do. Routes, OpenAPI and the access tests are made from these rows.

How a row is carried out is `door.py`'s business; what it does is its handler's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from app.domain.access import Principal, Scope
from app.domain.errors import ManagerError
from app.domain.ids import KeyId

ANYONE: Final = Principal(key_id=KeyId(""), tenant="", scopes=frozenset())
"""Who calls a route that needs no key."""

EVERY_PREFIX: Final = ("/api/v1", "/api", "")
"""The first is the canonical one; the others are further rows for the same handler."""
ROOT_ONLY: Final = ("",)


class Body(BaseModel):
    """Base of everything clients send: unknown fields, wrong types, NaN and infinity are refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, frozen=True, hide_input_in_errors=True
    )


class Answer(BaseModel):
    """Base of everything clients get. Open enums: a newer server may answer words an older client doesn't know."""

    model_config = ConfigDict(frozen=True)


class NoBody(Body):
    """The request carries nothing."""


class Query(Body):
    """What a request asks by the query of its address: texts, from which the fields are read."""

    model_config = ConfigDict(strict=False)


class RateKind(StrEnum):
    READ = "read"
    WRITE = "write"
    INIT = "init"
    PUBLIC = "public"
    """Probes and descriptions, which need no key: counted for each address."""


B = TypeVar("B", bound=Body)


@dataclass(frozen=True, slots=True)
class Call(Generic[B]):
    """One request, its key checked and its body or query read."""

    who: Principal
    body: B
    params: dict[str, str]
    base_url: str
    """Scheme and host as the client sees them, without a slash at the end."""


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is not JSON."""

    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class WithStatus:
    """An answer with another status than the row's own, such as a readiness probe's 503."""

    status: int
    body: Answer


Handler = Callable[[Call[Any]], Awaitable[Answer | Raw | WithStatus]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`scope` None: no key is needed. `answer` None: `content_type` says what comes instead of JSON."""

    name: str
    method: str
    path: str
    handler: Handler
    summary: str
    scope: Scope | None
    tag: str
    body: type[Body] = NoBody
    """A `Query` is read from the address instead."""
    answer: type[Answer] | None = None
    status: int = 200
    other_statuses: tuple[int, ...] = ()
    rate: RateKind = RateKind.READ
    errors: tuple[type[ManagerError], ...] = ()
    prefixes: tuple[str, ...] = EVERY_PREFIX
    content_type: str = "application/json"
    idempotent_by_key: bool = False
    """Honours `Idempotency-Key`."""

    def paths(self) -> Iterator[str]:
        for prefix in self.prefixes:
            yield prefix + self.path

    @property
    def takes_query(self) -> bool:
        return issubclass(self.body, Query)

    @property
    def takes_body(self) -> bool:
        return self.body is not NoBody and not self.takes_query


@dataclass(slots=True)
class Registry:
    """All rows of one process; a second row for the same method and path is refused."""

    endpoints: list[Endpoint] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def add(self, *endpoints: Endpoint) -> None:
        for endpoint in endpoints:
            for path in endpoint.paths():
                if (endpoint.method, path) in self._seen:
                    raise ValueError(f"{endpoint.method} {path} is there twice")
                self._seen.add((endpoint.method, path))
            self.endpoints.append(endpoint)

    def rows(self) -> Iterator[tuple[str, str, Endpoint]]:
        """(method, path, endpoint) of every row, aliases included."""
        for endpoint in self.endpoints:
            for path in endpoint.paths():
                yield endpoint.method, path, endpoint

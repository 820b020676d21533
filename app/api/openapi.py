"""Describes the registry as OpenAPI 3.1: every row, aliases too, so that what is not described does not exist."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from app.api.door import PARAM
from app.api.problems import (
    KINDS,
    MEDIA_TYPE,
    BodyTooLarge,
    InvalidFields,
    Kind,
    MalformedRequest,
    TooSlow,
    UnsupportedMedia,
)
from app.api.registry import Endpoint, Registry
from app.domain.errors import ManagerError, NotAllowed, NotAuthenticated, TooManyRequests
from app.version import __version__

_REF: Final = "#/components/schemas/{model}"
_PARAMS: Final = re.compile(r"\{([a-z_]+)\}")
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code", "hint"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "code": {"type": "string", "description": "stable; see /problems/{code}"},
        "hint": {"type": "string"},
        "retryable": {"type": "boolean"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def describe(registry: Registry) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `registry`."""
    paths: dict[str, dict[str, Any]] = {}
    for method, path, endpoint in registry.rows():
        alias_number = list(endpoint.paths()).index(path)
        paths.setdefault(path, {})[method.lower()] = _operation(endpoint, alias_number)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Encoder manager",
            "version": __version__,
            "description": "Errors are problem documents (RFC 9457). Times are RFC 3339 in UTC, rates bit/s.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(registry) | {"Problem": _PROBLEM},
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
        },
    }


def to_bytes(registry: Registry) -> bytes:
    return orjson.dumps(describe(registry))


def _schemas(registry: Registry) -> dict[str, Any]:
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = []
    for endpoint in registry.endpoints:
        if endpoint.takes_body:
            models.append((endpoint.body, "validation"))
        if endpoint.answer is not None:
            models.append((endpoint.answer, "serialization"))
    _, schema = models_json_schema(list(dict.fromkeys(models)), ref_template=_REF)
    found: dict[str, Any] = schema.get("$defs", {})
    return found


def _operation(endpoint: Endpoint, alias_number: int) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name if alias_number == 0 else f"{endpoint.name}_alias_{alias_number}",
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": [_path_parameter(name) for name in _PARAMS.findall(endpoint.path)],
        "responses": _responses(endpoint),
        "security": [] if endpoint.scope is None else [{"apiKey": []}],
    }
    if endpoint.scope is not None:
        operation["x-scope"] = str(endpoint.scope)
    if alias_number:
        operation["x-alias-of"] = endpoint.name
    if endpoint.takes_query:
        operation["parameters"] += _query_parameters(endpoint.body)
    if endpoint.idempotent_by_key:
        operation["parameters"].append(_idempotency_parameter())
    if endpoint.takes_body:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REF.format(model=endpoint.body.__name__)}}},
        }
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": f"^{PARAM.pattern}$"},
    }


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    needed = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in needed, "schema": field}
        for name, field in schema["properties"].items()
    ]


def _idempotency_parameter() -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "The same key and body get the same answer for an hour, until this process restarts.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    }


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    responses: dict[str, Any] = {str(endpoint.status): _success(endpoint)}
    for status in endpoint.other_statuses:
        responses[str(status)] = _success(endpoint)
    for kind in _kinds(endpoint):
        entry = responses.setdefault(
            str(kind.status),
            {
                "description": kind.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )
        if kind.title not in entry["description"]:
            entry["description"] += f"; {kind.title}"
    return responses


def _success(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.answer is not None:
        schema = {"$ref": _REF.format(model=endpoint.answer.__name__)}
        return {"description": endpoint.summary, "content": {"application/json": {"schema": schema}}}
    return {"description": endpoint.summary, "content": {endpoint.content_type: {"schema": {"type": "string"}}}}


def _kinds(endpoint: Endpoint) -> list[Kind]:
    errors: list[type[ManagerError]] = [*endpoint.errors, TooManyRequests]
    if endpoint.scope is not None:
        errors += [NotAuthenticated, NotAllowed]
    if _PARAMS.search(endpoint.path) or endpoint.takes_body or endpoint.takes_query or endpoint.idempotent_by_key:
        errors.append(MalformedRequest)
    if endpoint.takes_query:
        errors.append(InvalidFields)
    if endpoint.takes_body:
        errors += [InvalidFields, BodyTooLarge, UnsupportedMedia, TooSlow]
    return [KINDS[error.code] for error in dict.fromkeys(errors)]

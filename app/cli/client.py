"""Talks to control over HTTP; turns its problem answers into messages with a hint and an exit code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NoReturn

import typer

DEFAULT_URL: Final = "http://127.0.0.1:8080"
TIMEOUT_S: Final = 15.0

EXIT_FAILED: Final = 1
EXIT_NOT_FOUND: Final = 4
EXIT_UNAVAILABLE: Final = 69
EXIT_NOT_ALLOWED: Final = 77
_EXIT_BY_STATUS: Final = {401: EXIT_NOT_ALLOWED, 403: EXIT_NOT_ALLOWED, 404: EXIT_NOT_FOUND, 503: EXIT_UNAVAILABLE}
_KEY_HINT: Final = "set ENCMAN_API_KEY to a key that is valid, or name the data directory with --data"
_OF_HTTP: Final = ("/api/", "JSON", "'errors'", "Authorization", "Retry-After", "header", "request id")


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach control. The key is looked up only when a call needs one."""

    url: str | None
    data_dir: str | None
    """None: not said, so `data` here."""

    @property
    def folder(self) -> Path:
        return Path(self.data_dir or "data")

    @property
    def base(self) -> str:
        return self.bases[0]

    @property
    def bases(self) -> tuple[str, ...]:
        """Of every control: one of them leads."""
        told = self.url or self._kept("ENCMAN_CONTROL_URL")
        port = None if told else self._kept("ENCMAN_CONTROL_PORT")
        urls = told or (f"http://127.0.0.1:{port}" if port else DEFAULT_URL)
        return tuple(url.strip().rstrip("/") for url in urls.split(","))

    def key(self) -> str:
        """From ENCMAN_API_KEY, else the installation's own. Exits with a hint when there is none."""
        found = os.environ.get("ENCMAN_API_KEY") or self._kept("ENCMAN_BOOTSTRAP_API_KEY")
        if not found:
            looked = self.folder.absolute()
            fail(
                "no API key",
                hint=f"set ENCMAN_API_KEY, or name the data directory with --data (looked in {looked})",
                code=EXIT_NOT_ALLOWED,
            )
        return found

    def _kept(self, name: str) -> str | None:
        """A value kept by `up` or the installer in the data directory, or in `.env` here."""
        from dotenv import dotenv_values

        for path in (self.folder / "secrets.env", self.folder / "up.env", Path(".env")):
            try:
                value = dotenv_values(path).get(name) if path.is_file() else None
            except PermissionError:
                continue
            if value:
                return value
        return None


def call(
    access: Access,
    method: str,
    path: str,
    body: Mapping[str, object] | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """The answer's JSON (None for an empty one). Exits with control's own words when it refuses."""
    import asyncio

    return asyncio.run(_call(access, method, path, body, timeout_s))


async def _call(access: Access, method: str, path: str, body: Mapping[str, object] | None, timeout_s: float) -> Any:
    import aiohttp

    headers = {"Authorization": f"Bearer {access.key()}"}
    bases = access.bases
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session:
        for base in bases:
            try:
                async with session.request(method, base + path, json=body, headers=headers) as answer:
                    status, text = answer.status, await answer.text()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                # Nothing was asked where nobody listens; anything else may have been carried out.
                if base is not bases[-1] and isinstance(error, aiohttp.ClientConnectorError):
                    continue
                _unreachable(base, error)
            if base is bases[-1] or not _stands_by(status, text):
                break
    if status >= HTTPStatus.BAD_REQUEST:
        _refuse(status, text)
    return _parsed(text) if text.strip() else None


def _unreachable(base: str, error: Exception) -> NoReturn:
    fail(
        f"control at {base} cannot be reached: {_why(error)}",
        hint="start it with `encoder-manager up`, or name it with --url",
        code=EXIT_UNAVAILABLE,
    )


def _why(error: Exception) -> str:
    import aiohttp

    match error:
        case TimeoutError():
            return "it did not answer in time"
        case aiohttp.InvalidURL():
            return "that is no address; one looks like http://127.0.0.1:8080"
        case aiohttp.ClientConnectorDNSError():
            return "its name is not known here"
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return "nothing listens there"
        case _:
            return str(error)


def _stands_by(status: int, text: str) -> bool:
    """Whether this control refused because another one leads."""
    return status == HTTPStatus.SERVICE_UNAVAILABLE and '"not_leading"' in text


def _parsed(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError:
        fail("the answer is not JSON", hint="does --url name the control of Encoder Manager?")


def _refuse(status: int, text: str) -> NoReturn:
    import json

    try:
        problem = json.loads(text)
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    code = _EXIT_BY_STATUS.get(status, EXIT_FAILED)
    fields = [field for field in problem.get("errors") or () if isinstance(field, dict)]
    if fields:
        fail("; ".join(f"{field.get('field')}: {field.get('message')}" for field in fields), code=code)
    detail = problem.get("detail") or problem.get("title") or f"control answers {status}"
    fail(str(detail), hint=_KEY_HINT if status == 401 else _as_command(problem.get("hint")), code=code)


def _as_command(hint: object) -> str | None:
    """A hint in the words of this program, or None for one that only helps who writes HTTP."""
    if not isinstance(hint, str):
        return None
    import re

    told = re.sub(r"GET /api/(streams|encoders|keys)\b", r"`encoder-manager \1 list`", hint)
    return None if any(word in told for word in _OF_HTTP) else told


def fail(message: str, *, hint: str | None = None, code: int = EXIT_FAILED) -> NoReturn:
    """Say what went wrong and what to do about it, on standard error, and end."""
    typer.echo(f"error: {message}", err=True)
    if hint:
        typer.echo(f"hint: {hint}", err=True)
    raise typer.Exit(code)

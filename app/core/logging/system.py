"""Sets up the system's logs when the application starts. What is logged is left to the parts."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from app.assembly.logs import configure_logs


class LoggingSystem:
    """One line for each fact on standard error, secrets taken out; `fmt` is `pretty` or `json`."""

    def __init__(self, app: web.Application, *, level: str = "info", fmt: str = "pretty") -> None:
        self._level = level
        self._fmt = fmt
        app.cleanup_ctx.append(self._run)

    async def _run(self, app: web.Application) -> AsyncIterator[None]:
        configure_logs(level=self._level, fmt=self._fmt)
        yield

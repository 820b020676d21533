"""The simulator's own interface, beside the unit's: which scenarios there are, playing one, and the truth.

It listens on a port of its own, so that it answers while the unit does not. Leaves to others: what happens.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from app.simulators.helo.scenarios import catalogue

_MOST_BODY_BYTES: Final = 16 * 1024


def control_application(state: Callable[[], dict[str, Any]], apply: Callable[..., None]) -> web.Application:
    async def play(request: web.Request) -> web.Response:
        try:
            asked = json.loads(await request.text())
            if not isinstance(asked, dict):
                raise ValueError("an object with a name is needed")
            name = asked.pop("name", None)
            apply(str(name), **asked)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(state())

    async def tell(request: web.Request) -> web.Response:
        return web.json_response(state())

    async def known(request: web.Request) -> web.Response:
        return web.json_response(catalogue())

    application = web.Application(client_max_size=_MOST_BODY_BYTES)
    application.router.add_post("/_simulator/scenario", play)
    application.router.add_get("/_simulator/scenarios", known)
    application.router.add_get("/_simulator/state", tell)
    return application

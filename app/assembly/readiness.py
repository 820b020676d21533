"""Asks the running parts, over their own doors, whether the system can take a stream."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Final

import aiohttp

from app.assembly.settings import Settings, dialled
from app.domain.errors import Unavailable
from app.runtime.clock import monotonic

READY_WITHIN_S: Final = 60.0
"""The first start on a slow machine probes encoders and makes the database; later ones take about 3 s."""
_POLL_S: Final = 0.1
_ANSWER_WITHIN_S: Final = 5.0
_KEY_REFUSED: Final = (401, 403, 429)
"""Somebody revoked the first key, as one should: encoders are then not counted, for control says itself that one is
there. Asking again would count as guessing."""


async def wait_until_ready(settings: Settings, *, encoders: int) -> bool:
    """Returns once control, gateway and `encoders` encoders are ready: whether the first key is still taken.

    Unavailable says what is missing.
    """
    deadline = monotonic() + READY_WITHIN_S
    timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            missing = await _missing(session, settings, encoders)
            if isinstance(missing, bool):
                return missing
            if monotonic() >= deadline:
                raise Unavailable(
                    f"not ready after {READY_WITHIN_S:.0f} s: {missing}",
                    hint="the lines above say what the parts are doing",
                )
            await asyncio.sleep(_POLL_S)


async def _missing(session: aiohttp.ClientSession, settings: Settings, encoders: int) -> str | bool:
    """What is still missing, in words. With nothing missing: whether the first key is taken."""
    gateway = f"http://{dialled(settings.http_host)}:{settings.http_port}"
    # Of several controls one leads, and the one here may stand by.
    reasons = [await _not_ready(session, "control", url) for url in settings.control_urls]
    if None not in reasons:
        return str(reasons[0])
    control = settings.control_urls[reasons.index(None)]
    reason = await _not_ready(session, "gateway", gateway)
    if reason is not None:
        return reason
    headers = {"Authorization": f"Bearer {settings.bootstrap_api_key.reveal()}"}
    status, text = await _get(session, f"{control}/api/encoders", headers)
    if status in _KEY_REFUSED:
        return status != HTTPStatus.UNAUTHORIZED
    if status != 200:
        return f"control says {status} when asked for its encoders"
    there = [entry for entry in json.loads(text)["encoders"] if entry["state"] not in ("suspect", "offline")]
    return True if len(there) >= encoders else f"{len(there)} of {encoders} encoders are there"


async def _not_ready(session: aiohttp.ClientSession, part: str, base: str) -> str | None:
    status, text = await _get(session, f"{base}/readyz")
    if status == HTTPStatus.OK:
        return None
    return f"{part} says {status}: {text[:200]}" if status else f"{part} does not answer ({text})"


async def _get(session: aiohttp.ClientSession, url: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and text; status 0 and the error's name when nobody answers."""
    try:
        async with session.get(url, headers=headers) as answer:
            return answer.status, await answer.text()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return 0, type(error).__name__

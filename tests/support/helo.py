"""A simulated HELO inside a test: quick, and without an RTMP server unless one is wanted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from app.domain.secret import Secret
from app.simulators.helo.quirks import FAST
from app.simulators.helo.simulator import HeloSimulator
from app.simulators.helo.world import Ingest

SMALL = (320, 180)


@contextlib.asynccontextmanager
async def helo(
    *, password: str | None = None, ingest: str = "takes", **options: Any
) -> AsyncIterator[HeloSimulator]:
    """`ingest`: `takes` counts as streaming and sends nothing; `real` publishes small pictures to the URL it holds.

    Other options are those of `HeloSimulator`; times are short. `simulator.apply("name", ...)` plays a scenario.
    """
    given = {"timing": FAST, "limit": SMALL} | options
    secret = None if password is None else Secret(password)
    async with HeloSimulator(password=secret, ingest=Ingest(ingest), **given) as simulator:
        yield simulator

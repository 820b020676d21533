"""Follows what a HELO says of its changes: a long poll beside the requests. Polling goes on all the same, slower.

An event is taken as a hint to look, never as a value: what it holds was never published for this device. A device
that has none, or whose connections break, is asked again ever more seldom.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from app.adapters.encoders.helo import wire
from app.adapters.encoders.helo.client import HeloClient
from app.adapters.encoders.helo.http import TooSlow
from app.adapters.encoders.helo.wire import Garbled
from app.domain.errors import ManagerError

BASES: Final = ("/config", "/json")
"""The second one is what a sister product uses."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
BETWEEN_WAITS_S: Final = 0.25
"""A device that answers every wait at once must not keep us busy."""

OnChanges = Callable[[frozenset[str]], None]
OnFlow = Callable[[bool], None]


class EventFollower:
    """`on_changes` gets the ids that changed; `on_flow` whether events come at all."""

    def __init__(self, client: HeloClient, *, on_changes: OnChanges, on_flow: OnFlow) -> None:
        self._client = client
        self._on_changes = on_changes
        self._on_flow = on_flow

    async def follow(self) -> None:
        """Until cancelled."""
        pause_s, tries = FIRST_PAUSE_S, 0
        while True:
            base = BASES[tries % len(BASES)]
            try:
                connection = await self._connect(base)
                pause_s = FIRST_PAUSE_S
                self._on_flow(True)
                await self._wait_for_ever(base, connection)
            except (Garbled, ManagerError):
                tries += pause_s > FIRST_PAUSE_S
            self._on_flow(False)
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    async def _connect(self, base: str) -> str:
        body = await self._client.ask_beside(f"{base}?action=connect", waits=False)
        connection = wire.read_connection(body)
        if connection is None:
            raise Garbled("it refuses to tell of changes")
        return connection

    async def _wait_for_ever(self, base: str, connection: str) -> None:
        path = f"{base}?action=wait_for_config_events&connectionid={connection}"
        while True:
            try:
                changed = wire.read_events(await self._client.ask_beside(path, waits=True))
            except TooSlow:
                continue  # nothing changed: the same connection is waited on again
            self._on_changes(changed)
            await asyncio.sleep(BETWEEN_WAITS_S)

"""Follows what a HELO says of its changes: a long poll beside the requests. Polling goes on all the same, slower.

An event is taken as a hint to look, never as a value: what it holds was never published for this device. A device
that has none, or whose connections break, is asked again ever more seldom.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Final

from app.adapters.encoders.helo import wire
from app.adapters.encoders.helo.client import HeloClient
from app.adapters.encoders.helo.http import TooSlow
from app.adapters.encoders.helo.wire import Garbled
from app.domain.errors import ManagerError
from app.runtime.clock import monotonic

BASES: Final = ("/config", "/json")
"""The second one is what a sister product uses."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
BETWEEN_WAITS_S: Final = 0.25
HELD_S: Final = 0.4
IN_VAIN: Final = 10
"""So many waits in a row that are answered at once and with nothing: it does not wait, and polling costs less."""

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
        pause_s = FIRST_PAUSE_S
        bases = itertools.cycle(BASES)
        base = next(bases)
        while True:
            if await self._one_connection(base):
                pause_s = FIRST_PAUSE_S
            else:
                base = next(bases)
            self._on_flow(False)
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    async def _one_connection(self, base: str) -> bool:
        """From its opening to its end; whether it was of any use."""
        was_of_use = False
        with contextlib.suppress(Garbled, ManagerError):
            body = await self._client.ask_beside(f"{base}?action=connect", waits=False)
            connection = wire.read_connection(body)
            if connection is None:
                return False
            self._on_flow(True)
            in_vain = 0
            while in_vain < IN_VAIN:
                is_of_use = await self._wait(f"{base}?action=wait_for_config_events&connectionid={connection}")
                was_of_use = was_of_use or is_of_use
                in_vain = 0 if is_of_use else in_vain + 1
                await asyncio.sleep(BETWEEN_WAITS_S)
            return False
        return was_of_use

    async def _wait(self, path: str) -> bool:
        """Whether it told of a change, or waited for one. Raises what ends the connection."""
        began = monotonic()
        try:
            changed = wire.read_events(await self._client.ask_beside(path, waits=True))
        except TooSlow:
            return True  # nothing changed: the same connection is waited on again
        self._on_changes(changed)
        return bool(changed) or monotonic() - began >= HELD_S

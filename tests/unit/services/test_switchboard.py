"""What is logged of what gateways tell."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.domain.ids import GatewayId, StreamId
from app.domain.link import ProgrammeUp
from app.runtime.bus import Bus
from app.services.switchboard import Switchboard


@pytest.mark.parametrize(("told", "logged"), [(127.62051699974108, 127.6), (None, None)])
async def test_a_stall_is_logged_as_exactly_as_it_matters(told: float | None, logged: float | None) -> None:
    stream = SimpleNamespace(id=StreamId("str_1"), seen=SimpleNamespace(programme_up=lambda _: None))
    streams: Any = SimpleNamespace(find=lambda _: stream)
    nobody: Any = SimpleNamespace()
    board = Switchboard(
        streams=streams,
        fleet=nobody,
        gateways=nobody,
        adoption=nobody,
        recovery=nobody,
        reports=nobody,
        bus=Bus(lambda _: None),
        keeper=nobody,
    )
    fact = ProgrammeUp(StreamId("str_1"), 2, datetime(2026, 1, 1, tzinfo=UTC), told)
    with capture_logs() as logs:
        await board.on_fact(GatewayId("gw_1"), fact)
    assert [entry["stall_ms"] for entry in logs] == [logged]

"""A gateway for workers, and a node's surroundings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.encoding.gate import Gate


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    gate = await Gate().open()
    yield gate
    await gate.close()

"""A child is started again when it dies, and is gone with all its own when it is stopped. With real processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.assembly.children import Child, ChildPlan
from app.domain.errors import InvalidSettings
from tests.support.peers import wait_for


async def until(what: str, look: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_for, what, look)


async def test_a_child_that_ends_is_started_again_and_counted() -> None:
    child = Child(ChildPlan("short", ("version",)))
    keeper = asyncio.create_task(child.keep_running())
    await until("restarted twice", lambda: child.restarts.count >= 2)
    await child.stop()
    await keeper
    assert child.pid is None
    assert child.restarts.delay_s > 0


async def test_a_child_that_refuses_its_settings_is_not_started_again(tmp_path: Path) -> None:
    child = Child(
        ChildPlan("gateway", ("gateway",), {"ENCMAN_RTMP_PORT": "no port", "ENCMAN_DATA_DIR": str(tmp_path)})
    )
    with pytest.raises(InvalidSettings, match="gateway"):
        await child.keep_running()
    assert child.restarts.count == 0


async def test_stopping_a_child_that_never_started_does_nothing() -> None:
    child = Child(ChildPlan("none", ("version",)))
    await child.stop()
    assert child.pid is None


async def test_a_child_leads_a_group_of_its_own() -> None:
    """So that a Ctrl-C in the terminal reaches the supervisor alone."""
    child = Child(ChildPlan("watcher", ("watch", "str_x"), {"ENCMAN_API_KEY": "k", "PYTHONBREAKPOINT": "0"}))
    process = await child._start()
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    await child.stop()
    assert child.pid is None

"""A child is started again when it dies, and is gone with all its own when it is stopped. With real processes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    child.stop()
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


async def test_a_child_that_is_stopped_before_it_starts_never_starts() -> None:
    child = Child(ChildPlan("none", ("version",)))
    child.stop()
    await child.keep_running()
    assert child.pid is None


async def test_a_child_leads_a_group_of_its_own_and_is_gone_with_it_when_stopped() -> None:
    """So that a Ctrl-C in the terminal reaches the supervisor alone."""
    with never_answering() as url:
        watching = {"ENCMAN_API_KEY": "k", "ENCMAN_CONTROL_URL": url}
        child = Child(ChildPlan("watcher", ("watch", "str_x"), watching))
        keeper = asyncio.create_task(child.keep_running())
        await until("started", lambda: child.pid is not None)
        group = child.pid
        assert group is not None
        assert os.getpgid(group) == group != os.getpgid(0)
        child.stop()
        await keeper
    assert child.pid is None
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
    assert child.restarts.count == 0


@contextmanager
def never_answering() -> Iterator[str]:
    """The address of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"

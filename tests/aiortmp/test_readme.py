"""The programs in the README run as they stand."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import aiortmp
from tests.aiortmp import peers

README = Path(aiortmp.__file__).parent / "README.md"


def programs(port: int) -> list[str]:
    """The complete programs, on another port than the usual one."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    return [block.replace("1935", str(port)) for block in blocks]


@pytest.mark.e2e
async def test_the_client_of_the_readme_sees_its_picture_through_the_relay_of_the_readme() -> None:
    port = peers.free_port()
    relay, client = programs(port)
    async with peers.run(sys.executable, "-c", relay):
        await peers.listening(port)
        async with peers.run(sys.executable, "-c", client) as running:
            code, said = await running.finish(timeout_s=20)
    assert code == 0, said
    assert "MediaMessage(VIDEO, 40 ms, 8 bytes)" in said
    assert said.splitlines()[-1] == "closed by this side"

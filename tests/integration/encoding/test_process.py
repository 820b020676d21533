"""The node's process as it is started for real: it ends in order when told to, control or not."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_node_without_control_ends_in_order_when_told_to(tmp_path: Path, number: signal.Signals) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ENCMAN_")}
    node = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app",
        "encoder",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environ
        | {
            "ENCMAN_DATA_DIR": str(tmp_path),
            "ENCMAN_ENCODER_ID": "enc-1",
            "ENCMAN_LINK_TOKEN": "not-to-be-shown-anywhere",
            "ENCMAN_CONTROL_URL": "http://127.0.0.1:1",
        },
    )
    assert node.stdout is not None
    lines = b""
    async with asyncio.timeout(60):
        while b"encoders probed" not in lines:
            line = await node.stdout.readline()
            assert line, f"the node ended by itself: {lines.decode()}"
            lines += line
        node.send_signal(number)
        lines += await node.stdout.read()
        code = await node.wait()
    assert code == 0, lines.decode()
    assert b"not-to-be-shown" not in lines
    assert b"Traceback" not in lines

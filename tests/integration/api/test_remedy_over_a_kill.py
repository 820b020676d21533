"""A control that is killed while it restarts a device does not restart it again (RM-02), over real processes."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import aiohttp

from tests.integration.services.peers import until
from tests.support.helo import helo

from .control_process import ControlProcess, control_process

PATH = "/api/monitoring/remediation"


async def ask(control: ControlProcess, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession(headers=control.auth()) as http,
        http.request(method, control.base + path, json=body) as answer,
    ):
        return answer.status, await answer.json()


async def online(control: ControlProcess) -> None:
    while True:
        _, status = await ask(control, "GET", "/api/encoders/helo-1/status")
        if status["state"] == "online":
            return
        await asyncio.sleep(0.1)


async def test_rm_02_kill_9_between_command_and_result_restarts_the_device_once(tmp_path: Path) -> None:
    async with helo() as device, asyncio.timeout(90):
        async with control_process(tmp_path) as control:
            body = {"kind": "aja_helo", "url": device.url, "encoder_id": "helo-1"}
            status, answer = await ask(control, "POST", "/api/encoders", body)
            assert status == 201, answer
            status, answer = await ask(control, "POST", f"{PATH}/helo-1", {"remedy": "reboot"})
            assert status == 202, answer
            await until(lambda: device.state()["starts"] == 2)
            control.process.send_signal(signal.SIGKILL)
            await control.process.wait()
        async with control_process(tmp_path) as control:
            _, shown = await ask(control, "GET", PATH)
            (run,) = shown["runs"]
            assert (run["run_id"], run["outcome"]) == (answer["run_id"], None)
            await online(control)
            status, refused = await ask(control, "POST", f"{PATH}/helo-1", {"remedy": "reboot", "force": True})
            assert (status, device.state()["starts"]) == (409, 2)
            assert "another remedy is at work" in refused["detail"]

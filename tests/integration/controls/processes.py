"""Control processes as people start them, and a way to their database that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from tests.integration.services.peers import BOOTSTRAP, TOKEN
from tests.support.peers import free_port

LEASE_S = 4.0
WITHIN_S = 40.0
INIT = {"resolution": "1280x720", "bitrate": 2_500_000, "fps": 30}


class Way:
    """A TCP relay to the database. Cut: nothing passes, and nobody gets in."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            there = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(self._carry(reader, there[1]), self._carry(there[0], writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


class ControlProcess:
    def __init__(self, folder: Path, database_url: str, lease_s: float) -> None:
        self.folder = folder
        self._lease_s = lease_s
        self.port = free_port()
        self._database_url = database_url
        self._process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    async def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        settings = {
            "ENCMAN_DATA_DIR": str(self.folder),
            "ENCMAN_CONTROL_PORT": str(self.port),
            "ENCMAN_DATABASE_URL": self._database_url,
            "ENCMAN_LEADER_LEASE_S": str(self._lease_s),
            "ENCMAN_LINK_TOKEN": TOKEN.reveal(),
            "ENCMAN_KEY_PEPPER": "pepper-of-these-tests",
            "ENCMAN_SEAL_KEY": "seal-key-of-these-tests",
            "ENCMAN_BOOTSTRAP_API_KEY": BOOTSTRAP.reveal(),
            "ENCMAN_LOG_FORMAT": "json",
        }
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "app", "control"),
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(Path.cwd()), **settings},
                stdout=log,
                stderr=log,
            )

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
        async with asyncio.timeout(20):
            return await self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.returncode is None, self.log[-3000:]
        return self._process.pid


class Caller:
    """Asks a control over HTTP; status 0 where nobody answers."""

    def __init__(self) -> None:
        # A connection that was kept may end just when it is used again, and says nothing of who answers now.
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=20), connector=aiohttp.TCPConnector(force_close=True)
        )

    async def close(self) -> None:
        await self._http.close()

    async def ask(
        self, control: ControlProcess, path: str, *, method: str = "GET", body: Mapping[str, Any] | None = None
    ) -> tuple[int, Any, Mapping[str, str]]:
        url = f"http://127.0.0.1:{control.port}{path}"
        headers = {"Authorization": f"Bearer {BOOTSTRAP.reveal()}"}
        try:
            async with self._http.request(method, url, headers=headers, json=body) as answer:
                content = await answer.json(content_type=None) if answer.status != 204 else None
                return answer.status, content, answer.headers
        except (aiohttp.ClientConnectionError, TimeoutError):
            return 0, None, {}

    async def until(
        self,
        control: ControlProcess,
        path: str,
        status: int,
        *,
        says: str = "",
        where: Callable[[Any], bool] = lambda _: True,
    ) -> Any:
        """Ask until the answer has this status, this in its text, and is as `where` wants it: its content."""
        found: tuple[int, Any] = (0, None)
        try:
            async with asyncio.timeout(WITHIN_S):
                while found[0] != status or says not in str(found[1]) or not where(found[1]):
                    await asyncio.sleep(0.05)
                    found = (await self.ask(control, path))[:2]
        except TimeoutError:
            raise AssertionError(f"{path} says {found}, not {status} {says}\n{control.log[-3000:]}") from None
        return found[1]

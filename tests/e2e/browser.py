"""A headless Chromium for tests, spoken to over the DevTools protocol. Its console is kept: it must stay clean."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.peers import program

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-port=0",
)


class Page:
    """One tab. `complaints` holds console errors and warnings, uncaught errors, and refused loads."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.complaints: list[str] = []
        self.requested: list[str] = []

    async def listen(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                self._waiting.pop(told["id"]).set_result(told)
            else:
                self._note(told["method"], told["params"])

    def _note(self, method: str, given: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(given["exceptionDetails"])[:500])
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(given["args"])[:500])
        elif method == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{given['entry']['text']} {given['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requested.append(given["request"]["url"])

    async def send(self, method: str, **given: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        await self._socket.send_str(json.dumps({"id": number, "method": method, "params": given}))
        told = await asyncio.wait_for(answer, 20)
        assert "error" not in told, told["error"]
        result: dict[str, Any] = told["result"]
        return result

    async def open(self, url: str) -> None:
        await self.send("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression; promises are awaited."""
        told = await self._evaluate(script)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, script: str, within_s: float = 20.0) -> Any:
        """Waits until the expression is true; fails with what the page shows when the time is over.

        An expression that can not be worked out yet, as an element it asks is not there, is not true yet.
        """
        told: Any = None
        try:
            async with asyncio.timeout(within_s):
                while True:
                    told = await self._evaluate(script)
                    value = None if "exceptionDetails" in told else told["result"].get("value")
                    if value:
                        return value
                    await asyncio.sleep(0.05)
        except TimeoutError:
            shown = await self.run("document.body?.innerText ?? ''")
            last = told and told.get("exceptionDetails", told["result"])
            raise AssertionError(
                f"not within {within_s:g} s: {script}\n{last}\n{shown[:2000]}\n{self.complaints}"
            ) from None

    async def _evaluate(self, script: str) -> Any:
        return await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)

    async def type_into(self, selector: str, text: str) -> None:
        await self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.send("Input.insertText", text=text)

    async def click(self, selector: str) -> None:
        """By a real mouse event at the middle of the element: what covers it would be hit instead."""
        release = await self.press(selector)
        await release()

    async def press(self, selector: str) -> Callable[[], Awaitable[None]]:
        """Hold the mouse down on the element; what is returned lets it go at the same place.

        One that moved away while the mouse came near is aimed at again, as a person would.
        """
        element = f"document.querySelector({json.dumps(selector)})"
        await self.until(f"{element}?.offsetParent !== null")
        for _ in range(5):
            x, y = await self.run(
                f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'center'}});"
                "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
            )
            await self._mouse("mousePressed", x, y)
            if await self.run(f"{element}?.matches(':active')"):
                return functools.partial(self._mouse, "mouseReleased", x, y)
            await self._mouse("mouseReleased", x, y)
        raise AssertionError(f"something lies over {selector}, or it does not stand still")

    async def _mouse(self, kind: str, x: float, y: float) -> None:
        await self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def resize(self, width: int, height: int) -> None:
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    async def picture(self) -> bytes:
        """A PNG of the whole page."""
        told = await self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(told["data"])


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Page]:
    """A fresh browser with nothing in it, ended with its children when the block is left."""
    path = program("chromium", package="chromium")
    home = Path(tempfile.mkdtemp(prefix="encman-chromium-"))
    process = await asyncio.create_subprocess_exec(
        path,
        *FLAGS,
        f"--user-data-dir={home}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "HOME": str(home)},
        start_new_session=True,
    )
    try:
        port = await _port(home)
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/json/list") as response:
                tabs = await response.json()
            url = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            async with http.ws_connect(url, max_msg_size=0) as socket:
                page = Page(socket)
                listening = asyncio.create_task(page.listen())
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await page.send(f"{domain}.enable")
                yield page
                listening.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        await process.wait()
        shutil.rmtree(home, ignore_errors=True)


async def _port(home: Path) -> int:
    """Chromium writes the port it was given into its folder."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
                return int((home / "DevToolsActivePort").read_text().split()[0])
            await asyncio.sleep(0.05)

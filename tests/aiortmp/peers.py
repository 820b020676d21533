"""Other people's RTMP programs, started for real."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")


def need(*programs: str) -> None:
    """Skip where a program is missing, visibly; in CI its absence is a failure."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        absent(", ".join(missing))


def absent(what: str) -> None:
    """Skip for want of this, or fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"not installed: {what}")
    pytest.skip(f"not installed: {what}")


def need_nginx() -> None:
    """Skip without nginx and its RTMP module."""
    need("nginx")
    if not NGINX_MODULE.exists():
        absent("libnginx-mod-rtmp")


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def listening(port: int) -> None:
    """Until somebody takes connections there."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return


class Running:
    """A started program."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def finish(self, timeout_s: float = 60.0) -> tuple[int, str]:
        """Wait for its end: exit code and all it said."""
        async with asyncio.timeout(timeout_s):
            out, _ = await self.process.communicate()
        return self.process.returncode or 0, out.decode(errors="replace")


@contextlib.asynccontextmanager
async def run(*command: str) -> AsyncIterator[Running]:
    """Start a program; it does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
        # Reads what is left, so that no pipe stays open behind the loop.
        await process.communicate()


def ffmpeg_source(seconds: float, *, realtime: bool = True) -> list[str]:
    """Arguments for ffmpeg up to the codecs: a test picture with sound."""
    return [
        "ffmpeg",
        "-v",
        "error",
        *(["-re"] if realtime else []),
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x180:rate=25",
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=440:sample_rate=44100",
        "-t",
        str(seconds),
    ]


H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25"]
AAC = ["-c:a", "aac", "-b:a", "64k", "-ac", "2"]


@contextlib.asynccontextmanager
async def nginx(folder: Path, *, push: str | None = None, pull: str | None = None) -> AsyncIterator[int]:
    """nginx-rtmp with an application "live" that may push to, or pull from, another server; its port."""
    need_nginx()
    port = free_port()
    relays = "".join(f"{verb} {url};" for verb, url in (("push", push), ("pull", pull)) if url)
    config = folder / "nginx.conf"
    config.write_text(
        f"""
        load_module {NGINX_MODULE};
        daemon off; master_process off; worker_processes 1;
        pid {folder}/nginx.pid; error_log {folder}/error.log warn;
        events {{ worker_connections 64; }}
        rtmp {{ server {{ listen 127.0.0.1:{port}; chunk_size 4096;
            application live {{ live on; {relays} }} }} }}
        """
    )
    async with run("nginx", "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")):
        await listening(port)
        yield port

"""The servers under test: how each is started, and whose CPU time counts."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
READY_S = 20.0


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    port: int
    app: str
    process: psutil.Process
    play_app: str | None = None
    """Where players connect to; None: where publishers do."""

    def cpu_s(self) -> float:
        """CPU seconds of it and its children, user and system."""
        total = 0.0
        for process in (self.process, *self.process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def memory_bytes(self) -> int:
        """Resident memory of it and its children."""
        return sum(process.memory_info().rss for process in (self.process, *self.process.children(recursive=True)))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def available(name: str) -> str | None:
    """None when this server can be started, else what is missing."""
    if name.startswith("nginx") and (shutil.which("nginx") is None or not NGINX_MODULE.exists()):
        return "nginx with libnginx-mod-rtmp is not installed"
    if name == "pyrtmp" and "PYRTMP_PYTHON" not in os.environ:
        return "set PYRTMP_PYTHON to the python of an environment that has pyrtmp"
    return None


@contextlib.contextmanager
def start(name: str, *, core: int | None, command: str | None = None, app: str = "live") -> Iterator[Server]:
    """Start a server by name, or the ``command`` in which {port} is replaced; stop it afterwards."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="rtmp-bench-") as folder:
        line = command.format(port=port).split() if command else _command(name, port, Path(folder))
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(line, stdout=log, stderr=log)
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        try:
            _wait(port, process, Path(folder) / "log")
            play_app = "play" if name == "gateway" and command is None else None
            yield Server(name, port, app, psutil.Process(process.pid), play_app)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _command(name: str, port: int, folder: Path) -> list[str]:
    if name in ("nginx", "nginx-64k"):
        chunk_size = 65536 if name == "nginx-64k" else 4096
        config = folder / "nginx.conf"
        config.write_text(
            f"load_module {NGINX_MODULE}; daemon off; master_process off; worker_processes 1; user root;\n"
            f"pid {folder}/pid; error_log {folder}/error.log error;\n"
            "events { worker_connections 4096; }\n"
            f"rtmp {{ server {{ listen 127.0.0.1:{port}; chunk_size {chunk_size};\n"
            "  application live { live on; } } }\n"
        )
        return ["nginx", "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
    if name in ("aiortmp", "aiortmp-asyncio"):
        extra = ["--asyncio"] if name == "aiortmp-asyncio" else []
        return [sys.executable, "-m", "benchmarks.rtmp.relay", str(port), *extra]
    if name == "gateway":
        return [sys.executable, "-m", "benchmarks.rtmp.gateway", str(port)]
    if name == "pyrtmp":
        return [os.environ["PYRTMP_PYTHON"], str(Path(__file__).with_name("pyrtmp_relay.py")), str(port)]
    raise ValueError(f"no server is called {name}")


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"server ended: {log.read_text(errors='replace')[-2000:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.05)
    raise RuntimeError("server did not begin to listen")

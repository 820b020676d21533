"""Starts `encoder-manager up` for a test and talks to it as a client would: over HTTP only."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.support.peers import wait_for

READY_WITHIN_S = 90


@dataclass
class Answer:
    status: int
    body: Any


@dataclass
class System:
    """One running installation. `facts` is what `up --json` printed."""

    facts: dict[str, Any]
    process: subprocess.Popen[str]
    log: Path
    data_dir: Path
    opened: list[str] = field(default_factory=list)

    def call(self, method: str, path: str, body: object = None, *, key: str | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {key or self.facts['api_key']}"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(
            self.facts["control_url"].rstrip("/") + path, data=data, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
                return Answer(answer.status, json.loads(text) if text else None)
        except urllib.error.HTTPError as error:
            text = error.read()
            return Answer(error.code, json.loads(text) if text else None)

    def open_stream(self, **request: object) -> dict[str, Any]:
        """A session; fails the test when it is refused."""
        body: dict[str, object] = {"resolution": "1280x720", "bitrate": 2_500_000, "fps": 30} | request
        answer = self.call("POST", "/api/streams/init", body)
        assert answer.status in (200, 201), answer
        self.opened.append(answer.body["stream_id"])
        return dict(answer.body)

    def health(self, stream_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"/api/streams/{stream_id}/health")
        assert answer.status == 200, answer
        return dict(answer.body)

    def end_stream(self, stream_id: str) -> None:
        answer = self.call("DELETE", f"/api/streams/{stream_id}")
        assert answer.status in (200, 204, 404), answer

    def until(self, what: str, look: Callable[[], object], *, within_s: float = 20.0) -> None:
        """Ask the API, at a pace its rate limit allows, until the answer is true."""
        wait_for(what, look, within_s=within_s, every_s=0.25)

    def publish_url(self, stream: dict[str, Any]) -> str:
        return f"{stream['rtmp_url']}/{stream['stream_key']}"

    def children(self, command: str) -> list[psutil.Process]:
        """The processes of one part (`control`, `gateway`, `encoder`), or `worker` for worker children."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                line = child.cmdline()
            except psutil.Error:
                continue
            if command in line or (command == "worker" and any("app.assembly.worker" in word for word in line)):
                found.append(child)
        return found


def _read_lines(stream: Any, lines: queue.Queue[str]) -> None:
    with stream:
        for line in stream:
            lines.put(line)


@contextmanager
def running_system(data_dir: Path, *options: str, **environ: str) -> Iterator[System]:
    """`up` on free ports with its data under `data_dir`; ended by SIGTERM, and nothing may be left behind."""
    log = data_dir / "up.log"
    data_dir.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "app", "up", "--json", "--data", str(data_dir)]
    command += ["--control-port", "0", "--rtmp-port", "0", "--http-port", "0", *options]
    with log.open("w") as log_file:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log_file,
            text=True,
            env=os.environ | environ,
            start_new_session=True,
            cwd=data_dir,  # no .env of a developer is read
        )
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True).start()
        try:
            facts = _first_json(process, lines, log)
            yield System(facts=facts, process=process, log=log, data_dir=data_dir)
        finally:
            _end(process)


def _first_json(process: subprocess.Popen[str], lines: queue.Queue[str], log: Path) -> dict[str, Any]:
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end:
        try:
            line = lines.get(timeout=0.2)
        except queue.Empty:
            assert process.poll() is None, f"up ended early:\n{log.read_text()[-4000:]}"
            continue
        if line.startswith("{"):
            return dict(json.loads(line))
    raise AssertionError(f"up was not ready within {READY_WITHIN_S} s:\n{log.read_text()[-4000:]}")


def _end(process: subprocess.Popen[str]) -> None:
    left = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(left, timeout=10)
    for child in alive:
        child.kill()
    assert not alive, f"left behind: {alive}"

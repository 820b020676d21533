"""`encoder-manager up`: one control, one gateway and some encoder nodes on this machine, kept running.

What to say to the person who started it is `welcome.py`'s business; one child's life is `children.py`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structlog

from app.assembly.children import Child, ChildPlan
from app.assembly.ports_check import Door, free_doors
from app.assembly.readiness import wait_until_ready
from app.assembly.settings import PREFIX, Settings, dialled
from app.domain.errors import Conflict, InvalidSettings

log = structlog.get_logger("supervisor")

SHARED = (
    *("data_dir", "log_level", "log_format", "control_host", "control_port", "control_url"),
    *("rtmp_host", "rtmp_port", "rtmps_port", "http_host", "http_port", "public_host"),
)
"""Settings handed to every child, because options of `up` may have changed them."""


def settle_ports(settings: Settings) -> Settings:
    """The settings with every port known and found free. Raises InvalidSettings that names the ones in use."""
    doors = {
        "control_port": Door(
            "control (REST, page)", settings.control_host, settings.control_port, "--control-port"
        ),
        "rtmp_port": Door("gateway (RTMP)", settings.rtmp_host, settings.rtmp_port, "--rtmp-port"),
        "http_port": Door("gateway (HLS)", settings.http_host, settings.http_port, "--http-port"),
    }
    if settings.rtmps_port is not None:
        doors["rtmps_port"] = Door(
            "gateway (RTMPS)", settings.rtmp_host, settings.rtmps_port, f"{PREFIX}RTMPS_PORT"
        )
    changes: dict[str, object] = dict(zip(doors, free_doors(tuple(doors.values())), strict=True))
    if settings.control_port == 0:
        changes["control_url"] = f"http://{dialled(settings.control_host)}:{changes['control_port']}"
    return settings.model_copy(update=changes)


def plans(settings: Settings, encoders: int) -> tuple[ChildPlan, ...]:
    """The children of `up`. Secrets are not handed over: each child reads them from the data directory."""
    environ = {
        PREFIX + name.upper(): str(value) for name in SHARED if (value := getattr(settings, name)) is not None
    }
    nodes = tuple(
        ChildPlan(name, ("encoder",), environ | {f"{PREFIX}ENCODER_ID": name})
        for name in (f"encoder-{number}" for number in range(1, encoders + 1))
    )
    return (ChildPlan("control", ("control",), environ), ChildPlan("gateway", ("gateway",), environ), *nodes)


class Supervisor:
    """`on_ready` is told whether the first API key is still taken."""

    def __init__(self, settings: Settings, *, encoders: int, on_ready: Callable[[bool], None]) -> None:
        self._settings = settings
        self._encoders = encoders
        self._on_ready = on_ready
        self.children = tuple(Child(plan) for plan in plans(settings, encoders))

    async def run(self) -> None:
        """Until SIGINT or SIGTERM; a second one kills at once. All children are gone when it returns or raises.

        Raises Unavailable when the parts do not get ready in time, InvalidSettings when one refuses its settings.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, stop)
        keepers = [asyncio.create_task(child.keep_running()) for child in self.children]
        announcer = asyncio.create_task(self._announce())
        stopper = asyncio.create_task(stop.wait())
        try:
            waiting: set[asyncio.Task[Any]] = {*keepers, announcer, stopper}
            while not stop.is_set():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # a keeper or the announcer that failed ends everything
        finally:
            log.info("stopping")
            announcer.cancel()
            stopper.cancel()
            for child in self.children:
                child.stop()
            await asyncio.gather(*keepers, announcer, stopper, return_exceptions=True)

    def _on_signal(self, stop: asyncio.Event) -> None:
        if stop.is_set():
            for child in self.children:
                child.kill()
        stop.set()

    async def _announce(self) -> None:
        self._on_ready(await wait_until_ready(self._settings, encoders=self._encoders))


@contextlib.contextmanager
def one_at_a_time(data_dir: Path) -> Iterator[None]:
    """Holds the data directory for this process.

    Raises Conflict when another `up` holds it, InvalidSettings when it cannot be written.
    """
    try:
        descriptor = os.open(data_dir / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise InvalidSettings(
            f"{data_dir} cannot be written: {error.strerror}", hint="choose another --data"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"another `encoder-manager up` runs in {data_dir}", hint="stop it, or choose another --data"
            ) from None
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def found_by_commands(settings: Settings) -> Iterator[None]:
    """Leaves control's address in the data directory while `up` runs, for commands that are not told it."""
    path = settings.data_dir / "up.env"
    path.write_text(f"{PREFIX}CONTROL_URL={settings.control_url}\n", encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)

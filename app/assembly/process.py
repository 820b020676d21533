"""What every process does around its work: settings, logs, event loop, the tie to its parent, the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from app.assembly.logs import configure_logs
from app.assembly.settings import Role, Settings
from app.assembly.sources import load_settings
from app.domain.errors import InvalidSettings, ManagerError

EXIT_FAILED: Final = 1
EXIT_SETTINGS: Final = 78
"""EX_CONFIG of sysexits.h: a supervisor must not start it again."""
ORPHAN_GRACE_S: Final = 10.0
"""How long a process whose parent died may take to end in order."""

LIFELINE: Final = "ENCMAN_LIFELINE"


def settings_or_exit(
    role: Role | None, overrides: Mapping[str, object] | None = None, directory: Path | None = None
) -> Settings:
    """The settings, or every fault on standard error and exit code 78."""
    try:
        return load_settings(role, overrides=overrides, directory=directory)
    except InvalidSettings as error:
        print(f"{error.detail}\nhint: {error.hint}", file=sys.stderr)  # noqa: T201 - logs are not set up yet
        raise SystemExit(EXIT_SETTINGS) from None


def run_process(role: Role, work: Callable[[Settings], Awaitable[None]], settings: Settings) -> int:
    """Run `work` to its end on a fresh event loop; the exit code."""
    configure_logs(level=settings.log_level, fmt=settings.log_format)
    name = settings.encoder_id if role is Role.ENCODER else str(role)
    structlog.contextvars.bind_contextvars(process=name)
    log = structlog.get_logger("process")
    tie_to_parent()
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_awaited(work, settings))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except InvalidSettings as error:
        log.error("settings are not usable", detail=error.detail, hint=error.hint)
        return EXIT_SETTINGS
    except (ManagerError, OSError) as error:
        log.error("process failed", detail=str(error), hint=getattr(error, "hint", None))
        log.debug("it came from here", exc_info=True)
        return EXIT_FAILED
    except Exception:
        log.exception("process failed")
        return EXIT_FAILED
    return 0


async def _awaited(work: Callable[[Settings], Awaitable[None]], settings: Settings) -> None:
    await work(settings)


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it is installed, else asyncio's own."""
    try:
        import uvloop
    except ImportError:  # not built for every platform
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def tie_to_parent() -> None:
    """When the parent asked for it, by LIFELINE in the environment, end with it."""
    if os.environ.pop(LIFELINE, None):
        threading.Thread(target=_follow_parent, name="lifeline", daemon=True).start()


def _follow_parent() -> None:
    """Standard input is a pipe the parent holds open: its end is the parent's end, however that came."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_GRACE_S)
    os._exit(EXIT_FAILED)

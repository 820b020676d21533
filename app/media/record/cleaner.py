"""Makes room for recordings where an operator said how much is to stay free: deletes old ones of ours.

Which ones is `app/policy/storage.py`'s to say. A directory in which anything lies that we do not write, or that is
a link, is nobody's business here; a recording that is being written is never touched.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from pathlib import Path
from typing import Final

import structlog

from app.media.record.files import INDEX
from app.policy.storage import Recording, to_delete
from app.runtime.clock import utc_now

BEAT_S: Final = 60.0
MAX_RECORDINGS: Final = 100_000
_OURS: Final = re.compile(rf"part-[0-9]{{4,}}\.mp4|{re.escape(INDEX)}(\.new)?")

log = structlog.get_logger()


class RecordingCleaner:
    """`active` names the recordings that are written to now; `min_free_percent` 0 deletes nothing."""

    def __init__(
        self,
        directory: Path,
        *,
        active: Callable[[], Collection[str]],
        min_free_percent: float,
        executor: Executor,
    ) -> None:
        self._directory = directory
        self._active = active
        self._min_free_percent = min_free_percent
        self._executor = executor
        self.deleted = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            await self.clean()

    async def clean(self) -> tuple[str, ...]:
        """The names of the recordings that were deleted now."""
        if self._min_free_percent <= 0:
            return ()
        active = frozenset(self._active())
        loop = asyncio.get_running_loop()
        try:
            going = await loop.run_in_executor(self._executor, self._choose, active)
            # Who is active is asked anew each time: the one before may have taken long.
            gone = [
                name
                for name in going
                if name not in self._active() and await loop.run_in_executor(self._executor, self._delete, name)
            ]
        except OSError as error:
            log.error("recordings not cleaned", reason=error.strerror or type(error).__name__)
            return ()
        self.deleted += len(gone)
        return tuple(gone)

    def _choose(self, active: Collection[str]) -> tuple[str, ...]:
        if not self._directory.is_dir():
            return ()
        usage = shutil.disk_usage(self._directory)
        found: list[Recording] = []
        for path in self._directory.iterdir():
            if len(found) >= MAX_RECORDINGS:
                break
            try:
                if path.is_dir() and not path.is_symlink():
                    found.append(_seen(path, is_active=path.name in active))
            except OSError as error:
                # Somebody else's, or written to in this moment: it stays, the others are looked at all the same.
                log.debug("recording not looked at", recording=path.name, reason=error.strerror)
        return to_delete(
            found, free_bytes=usage.free, total_bytes=usage.total, min_free_percent=self._min_free_percent
        )

    def _delete(self, name: str) -> bool:
        """File by file, so that whatever came in meanwhile stays."""
        directory = self._directory / name
        try:
            for path in [path for path in directory.iterdir() if _is_ours(path)]:
                path.unlink()
            directory.rmdir()
        except OSError as error:
            log.error("recording not deleted", recording=name, reason=error.strerror or type(error).__name__)
            return False
        log.warning("recording deleted", recording=name, min_free_percent=self._min_free_percent)
        return True


def _seen(directory: Path, *, is_active: bool) -> Recording:
    size, newest, is_own, is_empty = 0, 0.0, True, True
    for path in directory.iterdir():
        is_empty = False
        if not _is_ours(path):
            is_own = False
            break
        status = path.lstat()
        size, newest = size + status.st_size, max(newest, status.st_mtime)
    age_s = max(0.0, utc_now().timestamp() - newest)
    return Recording(directory.name, size, age_s, is_own=is_own and not is_empty, is_active=is_active)


def _is_ours(path: Path) -> bool:
    return _OURS.fullmatch(path.name) is not None and path.is_file() and not path.is_symlink()

"""The files of one recording: `part-0001.mp4`, ... and `index.json`, which lists them with their gaps.

Blocking; called on a writer's thread. The index is replaced as a whole, so a reader sees the old or the new one.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Final

from app.media.record.fragments import Piece

_PART: Final = re.compile(r"part-([0-9]{4,})\.mp4")
INDEX: Final = "index.json"


class RecordingFiles:
    """Every method raises OSError when the disk does."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None
        self._parts: list[dict[str, Any]] | None = None
        self.bytes_written = 0

    @property
    def name(self) -> str:
        return self._directory.name

    def write(self, piece: Piece) -> None:
        """Append `piece`, in a new part where it says so or where this is the first after a restart."""
        parts = self._known_parts()
        if piece.new_part or self._descriptor is None:
            self._open_part(parts)
        assert self._descriptor is not None, "a part is open now"
        current = parts[-1]
        self._append(piece.data, current["bytes"])
        current["bytes"] += len(piece.data)
        current["start_ms"] = piece.start_ms if current["start_ms"] is None else current["start_ms"]
        current["end_ms"] = round(piece.end_ms)
        if piece.gap_ms:
            gap = {"at_ms": round(piece.start_ms - piece.gap_ms), "length_ms": round(piece.gap_ms)}
            current["gaps"].append(gap)
        self._write_index(parts)

    def finish(self) -> None:
        """Make what was written durable."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _append(self, data: bytes, length: int) -> None:
        """All of `data` or nothing: half a fragment would end what players can read."""
        assert self._descriptor is not None, "a part is open"
        view, written = memoryview(data), 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, view[written:])
        except OSError:
            os.ftruncate(self._descriptor, length)
            raise
        self.bytes_written += written

    def _open_part(self, parts: list[dict[str, Any]]) -> None:
        self.finish()
        last = _PART.fullmatch(parts[-1]["file"]) if parts else None
        name = f"part-{int(last[1]) + 1 if last else 1:04d}.mp4"
        path = self._directory / name
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        parts.append({"file": name, "bytes": 0, "start_ms": None, "end_ms": None, "gaps": []})

    def _known_parts(self) -> list[dict[str, Any]]:
        """The parts so far: this process's, behind those an earlier one left."""
        if self._parts is None:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o750)
            self._parts = self._read_parts()
        return self._parts

    def _read_parts(self) -> list[dict[str, Any]]:
        found = sorted(entry.name for entry in self._directory.iterdir() if _PART.fullmatch(entry.name))
        try:
            told = {part["file"]: part for part in json.loads((self._directory / INDEX).read_text())["parts"]}
        except (OSError, ValueError, KeyError, TypeError):
            told = {}
        blank: dict[str, Any] = {"start_ms": None, "end_ms": None, "gaps": []}
        return [
            {**blank, **told.get(name, {}), "file": name, "bytes": (self._directory / name).stat().st_size}
            for name in found
        ]

    def _write_index(self, parts: list[dict[str, Any]]) -> None:
        temporary = self._directory / f"{INDEX}.new"
        temporary.write_text(json.dumps({"parts": parts}, indent=1))
        temporary.replace(self._directory / INDEX)

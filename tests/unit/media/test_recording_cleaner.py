"""Old recordings of ours are deleted for room, and nothing else is (RM-11)."""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.media.record import cleaner
from app.media.record.cleaner import RecordingCleaner
from app.runtime.clock import utc_now

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture(autouse=True)
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaner.shutil, "disk_usage", lambda _: Usage(1_000, 1_000, 0))


def recording(root: Path, name: str, *, age_s: float, extra: str | None = None) -> Path:
    directory = root / name
    directory.mkdir(parents=True)
    for file in ("part-0001.mp4", "index.json", *([extra] if extra else [])):
        (directory / file).write_bytes(b"x" * 10)
        at = utc_now().timestamp() - age_s
        os.utime(directory / file, (at, at))
    return directory


def everything(root: Path) -> list[Path]:
    return sorted(root.rglob("*"))


def make(root: Path, executor: ThreadPoolExecutor, *active: str, percent: float = 90.0) -> RecordingCleaner:
    return RecordingCleaner(root, active=lambda: active, min_free_percent=percent, executor=executor)


async def test_old_ones_go_and_the_active_the_fresh_and_the_newest_stay(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    root = tmp_path / "recordings"
    for name, age_s in (("old", 90_000), ("older", 99_000), ("active", 95_000), ("fresh", 100), ("newest", 10)):
        recording(root, name, age_s=age_s)
    assert await make(root, executor, "active").clean() == ("older", "old")
    assert {path.name for path in root.iterdir()} == {"active", "fresh", "newest"}


async def test_what_cannot_be_looked_into_keeps_no_room_from_the_others(
    tmp_path: Path, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's directory, or a file that its writer renamed in that moment."""
    root = tmp_path / "recordings"
    for name, age_s in (("old", 90_000), ("locked", 99_000), ("newest", 10)):
        recording(root, name, age_s=age_s)
    look_into = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return iter(tuple(look_into(path)))

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert await make(root, executor).clean() == ("old",)
    assert (root / "locked").is_dir()


async def test_what_is_not_ours_is_never_touched(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    root, outside = tmp_path / "recordings", tmp_path / "elsewhere"
    recording(root, "newest", age_s=10)
    recording(root, "with-notes", age_s=90_000, extra="notes.txt")
    (root / "loose.mp4").write_bytes(b"x")
    (root / "empty").mkdir()
    recording(outside, "linked", age_s=90_000)
    (root / "link").symlink_to(outside / "linked")
    inside = recording(root, "holds-a-link", age_s=90_000)
    (inside / "part-0002.mp4").symlink_to(outside / "linked" / "part-0001.mp4")
    before = everything(tmp_path)
    assert await make(root, executor).clean() == ()
    assert everything(tmp_path) == before


async def test_nothing_goes_where_no_floor_is_set_or_no_recording_was_made(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    root = tmp_path / "recordings"
    assert await make(root, executor).clean() == ()
    for n in range(3):
        recording(root, f"old-{n}", age_s=90_000 + n)
    assert await make(root, executor, percent=0.0).clean() == ()
    assert len(list(root.iterdir())) == 3


async def test_one_that_becomes_active_while_it_is_chosen_stays(
    tmp_path: Path, executor: ThreadPoolExecutor
) -> None:
    root = tmp_path / "recordings"
    recording(root, "newest", age_s=10)
    recording(root, "taken-up", age_s=90_000)
    asked: list[int] = []

    def active() -> tuple[str, ...]:
        asked.append(1)
        return () if len(asked) == 1 else ("taken-up",)

    busy = RecordingCleaner(root, active=active, min_free_percent=90.0, executor=executor)
    assert await busy.clean() == ()
    assert (root / "taken-up" / "part-0001.mp4").exists()

"""A control's name and place: its own at every start, and nobody else's while it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.assembly.seat import Seat
from app.assembly.settings import Settings
from app.domain.errors import InvalidSettings, Unavailable
from app.domain.secret import Secret

SEAL_KEY = Secret("seal-key-of-these-tests")


def settings(folder: Path, database: Path) -> Settings:
    url = f"sqlite+aiosqlite:///{database}/store.db"
    return Settings(data_dir=folder, database_url=url, seal_key=SEAL_KEY)


async def _holder(given: Settings) -> str:
    seat = await Seat.of(given)
    await seat.leave()
    return seat.leadership.holder


async def test_the_name_is_the_same_at_each_start_and_another_one_elsewhere(tmp_path: Path) -> None:
    here = settings(tmp_path / "here", tmp_path)
    name = await _holder(here)
    assert name.startswith("control-")
    assert await _holder(here) == name
    assert await _holder(settings(tmp_path / "there", tmp_path)) != name


async def test_two_controls_do_not_share_a_data_directory(tmp_path: Path) -> None:
    first = await Seat.of(settings(tmp_path, tmp_path))
    with pytest.raises(InvalidSettings, match="another control works in"):
        await Seat.of(settings(tmp_path, tmp_path / "elsewhere"))
    await first.leave()
    await (await Seat.of(settings(tmp_path, tmp_path))).leave()


async def test_a_seat_that_could_not_be_taken_holds_nothing(tmp_path: Path) -> None:
    away = Settings(data_dir=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none", seal_key=SEAL_KEY)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await Seat.of(away)
    await (await Seat.of(settings(tmp_path, tmp_path))).leave()

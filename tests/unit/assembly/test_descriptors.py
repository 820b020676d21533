"""How many connections a number of open files is enough for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.assembly.descriptors import BACKLOG_MAX, KEPT_LEAST, WANTED, Places, places
from app.media.doors.doorman import MAX_CONNECTIONS


@given(st.integers(2 * KEPT_LEAST, 1 << 20), st.integers(1, 3))
def test_full_doors_and_what_they_take_at_once_leave_files_for_everything_else(limit: int, doors: int) -> None:
    held = places(limit, doors=doors)
    # Two listeners a door, and one more connection than the door holds is let in to be turned away.
    assert doors * (held.connections + 2 * held.backlog) <= limit - KEPT_LEAST // 2
    assert held.connections >= 1
    assert held.backlog >= 1


def test_what_is_wanted_fills_every_place() -> None:
    assert places(WANTED, doors=2) == Places(MAX_CONNECTIONS, BACKLOG_MAX)

"""What must last begins anew with each break."""

from __future__ import annotations

from app.policy.lasting import Lasting


def test_what_lasts_long_enough_does_so_until_it_breaks_off() -> None:
    lasting = Lasting()
    assert not lasting.for_s("hot", 0.0, 1.0)
    for now in (1.0, 5.0, 6.0):
        lasting.note("hot", True, now)
    assert lasting.for_s("hot", 5.0, 6.0)
    assert not lasting.for_s("hot", 5.1, 6.0)
    assert not lasting.for_s("cold", 0.0, 6.0)
    lasting.note("hot", False, 7.0)
    lasting.note("hot", True, 8.0)
    assert not lasting.for_s("hot", 5.0, 8.0)

"""The doorman: a bound for all, a bound for each address, and nothing kept of those who left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.media.doors.doorman import Doorman


def test_one_address_does_not_fill_the_house() -> None:
    doorman = Doorman(total=10, per_address=2)
    assert [doorman.enter("a"), doorman.enter("a"), doorman.enter("a")] == [True, True, False]
    assert doorman.enter("b")
    doorman.leave("a")
    assert doorman.enter("a")
    assert doorman.turned_away == 1


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")), max_size=100))
def test_nobody_is_counted_twice_or_for_ever(events: list[tuple[bool, str]]) -> None:
    doorman, inside = Doorman(total=6, per_address=3), list[str]()
    for comes, address in events:
        if comes and doorman.enter(address):
            inside.append(address)
        elif not comes and address in inside:
            doorman.leave(address)
            inside.remove(address)
        assert doorman.connections == len(inside) <= 6
        assert all(inside.count(each) <= 3 for each in inside)

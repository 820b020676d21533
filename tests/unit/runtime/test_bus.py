"""Facts reach every listener, whatever the others do."""

from __future__ import annotations

from app.runtime.bus import Bus


def test_every_listener_hears_every_fact_in_order() -> None:
    bus: Bus[int] = Bus(on_error=lambda error: None)
    first: list[int] = []
    second: list[int] = []
    bus.listen(first.append)
    bus.listen(second.append)
    for fact in (1, 2, 3):
        bus.tell(fact)
    assert first == second == [1, 2, 3]


def test_a_listener_that_raises_is_reported_and_silences_nobody() -> None:
    errors: list[BaseException] = []
    bus: Bus[int] = Bus(on_error=errors.append)
    heard: list[int] = []
    error = ValueError("bad listener")

    def bad(fact: int) -> None:
        raise error

    bus.listen(bad)
    bus.listen(heard.append)
    bus.tell(1)
    assert heard == [1]
    assert errors == [error]


def test_a_listener_that_left_hears_no_more_and_may_leave_while_hearing() -> None:
    bus: Bus[int] = Bus(on_error=lambda error: None)
    heard: list[int] = []

    def once(fact: int) -> None:
        heard.append(fact)
        leave()

    leave = bus.listen(once)
    bus.tell(1)
    bus.tell(2)
    assert heard == [1]

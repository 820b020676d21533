"""A queue between threads that can be closed from either end."""

from __future__ import annotations

from threading import Thread

import pytest

from app.media.encoding.conduit import Closed, Conduit


def test_what_goes_in_comes_out_in_order_and_bounded() -> None:
    conduit: Conduit[int] = Conduit(2)
    feeder = Thread(target=lambda: [conduit.put(n) for n in range(1_000)])
    feeder.start()
    taken = []
    for _ in range(1_000):
        assert len(conduit) <= 2
        taken.append(conduit.get())
    feeder.join()
    assert taken == list(range(1_000))


def test_a_full_conduit_takes_nothing_more() -> None:
    conduit: Conduit[int] = Conduit(1)
    assert conduit.try_put(1)
    assert not conduit.try_put(2)
    assert conduit.take_all() == [1]
    assert conduit.try_put(3)


def test_closing_lets_out_what_is_inside_then_says_so() -> None:
    conduit: Conduit[int] = Conduit(2)
    conduit.put(1)
    conduit.close()
    assert not conduit.is_over
    assert conduit.get() == 1
    assert conduit.is_over
    with pytest.raises(Closed):
        conduit.get()
    with pytest.raises(Closed):
        conduit.put(2)


def test_aborting_frees_whoever_waits() -> None:
    conduit: Conduit[int] = Conduit(1)
    conduit.put(1)
    freed: list[bool] = []

    def wait() -> None:
        try:
            conduit.put(2)
        except Closed:
            freed.append(True)

    waiting = Thread(target=wait)
    waiting.start()
    conduit.abort()
    waiting.join()
    assert freed == [True]
    assert len(conduit) == 0


def test_an_empty_conduit_gives_nothing_in_time() -> None:
    assert Conduit[int](1).get(timeout_s=0.0) is None


def test_the_first_item_and_the_end_are_announced() -> None:
    calls: list[int] = []
    conduit: Conduit[int] = Conduit(9, on_item=lambda: calls.append(1))
    conduit.put(1)
    conduit.put(2)
    assert len(calls) == 1
    conduit.take_all()
    conduit.put(3)
    conduit.close()
    assert len(calls) == 3

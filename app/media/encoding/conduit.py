"""A bounded queue between two threads that can be closed from either end.

`queue.Queue` has no close before Python 3.13, and a thread that waits on a full one can't be let go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """The conduit is closed: nothing can be put in, or nothing is left to take."""


class Conduit(Generic[T]):
    """`on_item` is called by the putting thread when the conduit was empty before; it must not block."""

    def __init__(self, capacity: int, *, on_item: Callable[[], None] | None = None) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._changed = Condition()
        self._closed = False
        self._on_item = on_item

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Wait for room, then put. Raises Closed."""
        with self._changed:
            while len(self._items) >= self._capacity and not self._closed:
                self._changed.wait()
            first = self._add(item)
        if first and self._on_item is not None:
            self._on_item()

    def try_put(self, item: T) -> bool:
        """False when there is no room. Raises Closed."""
        with self._changed:
            if len(self._items) >= self._capacity and not self._closed:
                return False
            first = self._add(item)
        if first and self._on_item is not None:
            self._on_item()
        return True

    def _add(self, item: T) -> bool:
        if self._closed:
            raise Closed
        first = not self._items
        self._items.append(item)
        self._changed.notify_all()
        return first

    def get(self, timeout_s: float | None = None) -> T | None:
        """The next item; None when none came in time. Raises Closed once closed and empty."""
        with self._changed:
            if not self._items and not self._closed:
                self._changed.wait_for(lambda: self._items or self._closed, timeout_s)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._closed:
                raise Closed
            return None

    def take_all(self) -> list[T]:
        """Everything in it, without waiting."""
        with self._changed:
            items = list(self._items)
            self._items.clear()
            self._changed.notify_all()
            return items

    def close(self) -> None:
        """Nothing more goes in; what is inside can still be taken. `on_item` is called once more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._on_item is not None:
            self._on_item()

    @property
    def is_over(self) -> bool:
        """Closed and empty."""
        with self._changed:
            return self._closed and not self._items

    def abort(self) -> None:
        """Close and throw away what is inside."""
        with self._changed:
            self._items.clear()
        self.close()

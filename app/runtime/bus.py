"""Facts told to whoever listens. Nobody waits for the answer: a listener must be quick and must not raise.

A listener that raises is reported and the others still hear the fact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

E = TypeVar("E")
OnError = Callable[[BaseException], None]


class Bus(Generic[E]):
    def __init__(self, on_error: OnError) -> None:
        self._listeners: list[Callable[[E], None]] = []
        self._on_error = on_error

    def listen(self, listener: Callable[[E], None]) -> Callable[[], None]:
        """Hear every fact told from now on; call the result to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, event: E) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as error:  # one bad listener must not silence the others
                self._on_error(error)

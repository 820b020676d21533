"""Who is logged in at a HELO. Pure: what is random is handed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from app.domain.secret import Secret

_TOKEN_CHARACTERS: Final = 31
_MOST_SESSIONS: Final = 64


class Sessions:
    def __init__(self, password: Secret | None, life_s: float | None) -> None:
        self._password = password or Secret("")
        self._life_s = life_s
        self._opened: dict[str, float] = {}
        self._count = 0

    def open(self, password: str, now: float, random: Callable[[int], str]) -> str | None:
        """A session's token; None: wrong password."""
        if password != self._password.reveal():
            return None
        while len(self._opened) >= _MOST_SESSIONS:
            del self._opened[next(iter(self._opened))]
        self._count += 1
        token = f"{self._count:08x}-{random(_TOKEN_CHARACTERS)}"
        self._opened[token] = now
        return token

    def knows(self, token: str, now: float) -> bool:
        opened = self._opened.get(token)
        return opened is not None and (self._life_s is None or now - opened <= self._life_s)

    def expire(self) -> None:
        """Everybody has to log in again."""
        self._opened.clear()

    def change_password(self, password: Secret) -> None:
        self._password = password
        self.expire()

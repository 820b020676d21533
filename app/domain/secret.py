"""A text that must not be seen: it prints as stars and is opened only on purpose."""

from __future__ import annotations

from typing import Final

STARS: Final = "********"


class Secret:
    """Holds a key, token or password. `str`, `repr` and f-strings give stars; `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return STARS

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

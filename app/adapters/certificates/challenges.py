"""The answers to an authority's challenges over HTTP (RFC 8555, section 8.3): those of the running order only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PATH: Final = "/.well-known/acme-challenge/"


class ChallengeBook:
    """Written by the thread that orders, read by the door: each call takes or gives one whole dictionary."""

    def __init__(self) -> None:
        self._answers: Mapping[str, str] = {}

    def answer(self, token: str) -> str | None:
        return self._answers.get(token)

    def put(self, answers: Mapping[str, str]) -> None:
        """These, and none of those before."""
        self._answers = answers

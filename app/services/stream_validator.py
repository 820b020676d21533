"""Checks what a stream asks for before anything is reserved for it."""

from __future__ import annotations

from app.domain.session import Advice, StreamRequest


class StreamValidator:
    def check(self, request: StreamRequest) -> Advice:
        """The verdict; never raises. `errors` not empty: refuse."""
        raise NotImplementedError

"""A whole message that is not media."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A control, command or unknown message as the chunk reader found it."""

    type: int
    timestamp: int
    stream_id: int
    payload: bytes

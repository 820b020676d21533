"""One line of the log that outlives a restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Note:
    """`subject` is the id of a stream, encoder or key; `text` is for people."""

    at: datetime
    subject: str
    kind: str
    text: str

"""What may be wrong with a HELO's web server while its engine does well. Scenarios set it, the doors obey."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Faults:
    delay_s: float = 0.0
    """Before each answer."""
    hangs: bool = False
    """Takes connections and never answers."""
    cuts_answers: bool = False
    """Ends the connection in the middle of each answer."""
    speaks_nonsense: bool = False
    """Answers with what is no JSON."""
    not_found_left: int = 0
    """How many requests more are answered with 404, whoever asks."""

    def clear(self) -> None:
        self.delay_s, self.not_found_left = 0.0, 0
        self.hangs = self.cuts_answers = self.speaks_nonsense = False

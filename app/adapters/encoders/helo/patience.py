"""How long a HELO is waited for. Tests are less patient with a simulated one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Patience:
    """All in seconds."""

    answer_s: float = 4.0
    descriptors_s: float = 30.0
    """The list of all parameters takes it several seconds."""
    events_s: float = 50.0
    """For a change: connections that nobody uses for a minute expire."""
    look_again_s: float = 1.0
    """Between looks at a state that is to change."""
    start_s: float = 30.0
    """Slow servers take so long to let a stream in."""
    faulty_s: float = 5.0
    """Idle with a fault for so long after the order to start: it does not start."""
    stop_s: float = 15.0
    read_back_s: float = 5.0
    restart_s: float = 300.0
    """For so long after a restart, silence is the restart's."""


PATIENCE: Final = Patience()

"""The states of the failover machine: `Phase` of the active worker, `Cover` of the standby behind it."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class Phase(Enum):
    STEADY = auto()
    REFLEX = auto()
    """The active worker is lost and a proved standby is there: the gateway's word is waited for."""
    SUSPECT = auto()
    """The active worker is to be left, and a standby or the end of a rest is waited for."""
    REMEDY = auto()
    SWITCHING = auto()
    REPLACING = auto()
    HELD = auto()
    """Nobody encodes; tried again at `due` or when the fleet grows."""
    ENDED = auto()


class Cover(Enum):
    PROTECTED = auto()
    SEEKING = auto()
    PREPARING = auto()
    """A standby was started and has not proved itself yet."""
    BARE = auto()


AT_WORK: Final = frozenset({Phase.STEADY, Phase.SUSPECT, Phase.REMEDY, Phase.SWITCHING})

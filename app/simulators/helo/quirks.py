"""What nobody knows of a real HELO and a simulated one must therefore be able to do either way; and its times.

The defaults are the likelier guesses. Leaves to others: acting on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Unknown(StrEnum):
    """What a get or set of a name answers that the firmware does not have."""

    EMPTY = "empty"
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    CLOSED = "closed"


class Refusal(StrEnum):
    """What a set answers whose value does not fit, or whose parameter is read-only."""

    UNCHANGED = "unchanged"
    FORBIDDEN = "forbidden"
    CLAMPED = "clamped"
    """To the nearest value; a read-only parameter stays as it is."""


class Locked(StrEnum):
    """What a set of encoder settings answers while it streams or records."""

    UNCHANGED = "unchanged"
    ACCEPTED = "accepted"
    FORBIDDEN = "forbidden"


class QuietPoll(StrEnum):
    """How a long poll ends when nothing changes."""

    EMPTY_ARRAY = "empty_array"
    FOREVER = "forever"
    CLOSE = "close"


class ExpiredPoll(StrEnum):
    """What a wait on a connection id answers that is no more."""

    NOT_FOUND = "not_found"
    OBJECT = "object"


class WrongPassword(StrEnum):
    TOLD = "told"
    NOT_FOUND = "not_found"


class RebootAnswer(StrEnum):
    NONE = "none"
    FIRST = "first"


class WhileDown(StrEnum):
    """What a client meets during a restart."""

    REFUSED = "refused"
    BUSY = "busy"
    """503 to everything."""


@dataclass(frozen=True, slots=True)
class Quirks:
    unknown: Unknown = Unknown.EMPTY
    refusal: Refusal = Refusal.UNCHANGED
    locked: Locked = Locked.UNCHANGED
    quiet_poll: QuietPoll = QuietPoll.EMPTY_ARRAY
    expired_poll: ExpiredPoll = ExpiredPoll.NOT_FOUND
    wrong_password: WrongPassword = WrongPassword.TOLD
    reboot_answer: RebootAnswer = RebootAnswer.NONE
    while_down: WhileDown = WhileDown.REFUSED
    numeric_connection_id: bool = False
    session_life_s: float | None = None
    """None: a session never ends by itself."""
    invalid_selector_names: bool = True
    """Profile selectors answer `Invalid` as the name of their value."""
    quoted_clips: bool = False
    """Whether the clip list is valid JSON."""
    tells_durations: bool = False
    """Whether what counts every second makes events."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A test makes them short; the defaults are what people measured or had to guess."""

    command_s: float = 1.5
    """From a command to what it does."""
    retry_s: float = 3.0
    """Between the unit's own attempts to get a broken stream going again."""
    preset_s: float = 1.0
    down_s: float = 60.0
    """Of a restart, in which nothing answers."""
    boot_s: float = 8.0
    """After that, until the engine runs."""
    descriptors_s: float = 3.0
    """For the list of all parameters."""
    quiet_poll_s: float = 30.0
    poll_life_s: float = 60.0
    """How long a connection id lives that nobody waits on."""
    mount_s: float = 2.0
    """A card or stick, from plugged in to ready; a share takes what the scenario says."""


FAST = Timing(
    command_s=0.1,
    retry_s=0.2,
    preset_s=0.2,
    down_s=0.5,
    boot_s=0.2,
    descriptors_s=0.0,
    quiet_poll_s=0.5,
    poll_life_s=5.0,
    mount_s=0.1,
)
"""For tests."""

"""Whether something is there often enough to count, and gone long enough to be over: k of n, and a clear time.

Pure: one look after the other goes in with `now`. A look that cannot tell, None, begins nothing and ends nothing.
What a window stands for is its owner's business.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """On when `bad` of the last `of` looks that could tell were bad; off when none was for `clear_s`."""

    bad: int
    of: int
    clear_s: float

    def __post_init__(self) -> None:
        if not 1 <= self.bad <= self.of or self.clear_s < 0.0:
            raise ValueError("a window needs 1 <= bad <= of, and a clear time that is not negative")


@dataclass(frozen=True, slots=True)
class Window:
    """`looks`: the last ones, oldest first, True for bad. `well_since`: first look of those without a bad one."""

    is_on: bool = False
    looks: tuple[bool, ...] = ()
    well_since: float | None = None


def look(window: Window, rule: Rule, is_bad: bool | None, now: float) -> Window:
    """The window after this look."""
    if is_bad is None:
        return window
    looks = (*window.looks, is_bad)[-rule.of :]
    if is_bad:
        return Window(window.is_on or sum(looks) >= rule.bad, looks)
    since = now if window.well_since is None else window.well_since
    if window.is_on and now - since >= rule.clear_s:
        # What brought it on is over: it must come again as a whole.
        return Window(False, (), since)
    return Window(window.is_on, looks, since)

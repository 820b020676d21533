"""Which rendition takes the place of one that is made no more. Pure.

Leaves moving the readers to `programme`, and going on with the playlists to the packager.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.domain.ladder import AUDIO_TRACK, Rendition

KEPT: Final = 8
"""Names of earlier ladders that still lead somewhere."""


def heir(name: str, before: Sequence[Rendition], after: Sequence[Rendition]) -> str:
    """The rendition of `after` for those who had `name` of `before`: the new top for those who had the top, else
    the highest that is no higher, else the lowest. Without pictures it is the sound.
    """
    names = [rendition.name for rendition in after]
    if not names:
        return AUDIO_TRACK
    if name in names:
        return name
    height = next((each.height for each in before[1:] if each.name == name), None)
    if height is None:
        return names[0]
    return next((each.name for each in after if each.height <= height), names[-1])


class Heirs:
    """Former names, and where each leads now."""

    def __init__(self) -> None:
        self._now: dict[str, str] = {}

    def change(self, before: Sequence[Rendition], after: Sequence[Rendition]) -> dict[str, str]:
        """The ladder is `after` from now on; gives the heirs of the names that have just gone."""
        had = [each.name for each in before] or [AUDIO_TRACK]
        have = {each.name for each in after} or {AUDIO_TRACK}
        gone = {name: heir(name, before, after) for name in had if name not in have}
        led = {name: heir(to, before, after) for name, to in self._now.items() if name not in have}
        self._now = dict([*(led | gone).items()][-KEPT:])
        return gone

    def now(self, name: str) -> str:
        """What is made for those who ask for `name`; `name` itself unless it is a former one."""
        return self._now.get(name, name)

"""Playlists of pictures that are made no more: each goes on with the segments of its heir, so players stay. Pure.

Leaves to others who is whose heir, and that the border between the two is a discontinuity on every track.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from app.media.hls.track import VideoTrack

KEPT: Final = 8
"""Former pictures whose players may still be there."""


class Formers:
    """`tracks` by name, the longest gone first."""

    def __init__(self) -> None:
        self.tracks: dict[str, VideoTrack] = {}
        self._heirs: dict[str, str] = {}

    def retire(self, name: str, track: VideoTrack) -> None:
        """`track` gets no more frames of its own."""
        self.tracks[name] = track
        for oldest in [*self.tracks][:-KEPT]:
            del self.tracks[oldest]

    def recall(self, name: str) -> VideoTrack | None:
        """`name` is made again; gives its former track."""
        return self.tracks.pop(name, None)

    def link(self, made: Mapping[str, VideoTrack], heir_of: Callable[[str], str] | None = None) -> None:
        """Let each follow its heir among the tracks `made`; `heir_of` tells the heirs anew."""
        if heir_of is not None:
            self._heirs = {name: heir_of(name) for name in self.tracks}
        for heir, track in made.items():
            track.shelf.followers = [
                former.shelf for name, former in self.tracks.items() if self._heirs.get(name) == heir
            ]
            track.shelf.tell_followers()

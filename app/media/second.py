"""A standby that encodes along with the one who speaks: one programme of both. Leaves to `merge` what passes."""

from __future__ import annotations

from app.media.arrival import Arrival
from app.media.feed import SourceNow
from app.media.merge import Merge
from app.media.planned import owed
from app.media.speaker import Speaker
from app.media.switch import OutputSwitch


class Second:
    """`speaker` is the second worker, `first` the one who speaks when it joins."""

    def __init__(self, speaker: Speaker, first: Speaker, switch: OutputSwitch) -> None:
        self.speaker = speaker
        self._switch = switch
        self.shown_s: dict[str, float] = {}
        """When a frame of either was last let through, by track."""
        self._merge = Merge(switch.start_after(), leader=first.link.generation, other=speaker.link.generation)

    def take(self, first: Speaker, track: str, arrival: Arrival, now: SourceNow, *, is_second: bool) -> None:
        """One of the two said this."""
        speaker = self.speaker if is_second else first
        if arrival.frames:
            speaker.heard(track, arrival, now)
        for turn in self._merge.take(track, speaker.link.generation, arrival):
            self._switch.let(track, turn.generation)
            if turn.arrival.frames:
                self.shown_s[track] = now.now_s
            (first if turn.generation == first.link.generation else self.speaker).show(track, turn.arrival)

    def goes_on(self, speaker: Speaker, now: SourceNow) -> bool:
        """Whether this one of the two can go on alone, in the middle of a group of pictures."""
        return self._merge.goes_on(speaker.link.generation, owed(speaker.tracks, now))

    def go_on(self, speaker: Speaker, now: SourceNow) -> None:
        """This one of the two is alone from now on."""
        self._switch.carry_on(speaker.link.generation)
        for track, turn in self._merge.alone(speaker.link.generation):
            speaker.say(track, turn.arrival, now)

"""Who speaks for a channel and who stands by, how a worker is seated, and what is told of it.

Leaves to `worker_seat` when that happens.
"""

from __future__ import annotations

from collections.abc import Callable

from app.domain.stream import SlateMode
from app.media.feed import Feed, WorkerLink
from app.media.planned import PlannedSwitch
from app.media.reflex import Loss
from app.media.seat_events import Before, Lost, Reason, Released, SeatEvent
from app.media.second import Second
from app.media.speaker import Speaker, Stage, before
from app.media.standby import Standby, gave_of


class Seats:
    """`on_event` hears what became of workers, `on_turn(generation)` who is about to speak."""

    def __init__(
        self, stage: Stage, *, on_event: Callable[[SeatEvent], None], on_turn: Callable[[int], None]
    ) -> None:
        self._stage = stage
        self._switch = stage.switch
        self._around = stage.around
        self._on_event = on_event
        self._on_turn = on_turn
        self._active: Speaker | None = None
        self._standby: Standby | None = None
        self._slate = SlateMode.OFF
        self._planned: PlannedSwitch | None = None
        """A switch to `_standby` that goes on."""
        self._second: Second | None = None
        """The standby as one that encodes along."""
        self._lost: Lost | None = None
        """The last one who spoke, lost, while nobody follows."""
        self._absent_since_s: float | None = None
        """Since when there is a source, and one who stands by, and nobody has come to speak."""
        self._far_ms = 0
        """Up to here frames are believed; looked up anew when one is beyond."""

    @property
    def link(self) -> WorkerLink | None:
        """The worker that speaks."""
        return self._active.link if self._active is not None else None

    @property
    def standby(self) -> Standby | None:
        return self._standby

    # --- slate -----------------------------------------------------------------------------------------

    def slate(self, mode: SlateMode) -> None:
        """The source is silent: whoever speaks, or is about to, makes pictures of its own, or with OFF no more."""
        self._slate = mode
        from_ms = self._stage.timeline.position_ms(self._stage.look().now_s) or 0
        for speaker in self._speakers():
            speaker.slate(mode, from_ms)

    def slate_over(self) -> None:
        """The source is back; its packets tell the worker."""
        self._slate = SlateMode.OFF

    def _go_on_with_slate(self) -> None:
        """A worker begins to speak, or begins anew, while the source is silent."""
        if self._slate is not SlateMode.OFF:
            self.slate(self._slate)

    # --- inside ----------------------------------------------------------------------------------------

    def _speakers(self) -> list[Speaker]:
        """Those who encode what comes next: the one who speaks, and the one who will or does so along with it."""
        along = self._planned or self._second
        speakers = (self._active, along.speaker if along is not None else None)
        return [each for each in speakers if each is not None]

    def _before(self) -> Before:
        if self._lost is not None:
            return self._lost.before
        return before(self._active, self._switch, self._second.shown_s if self._second is not None else {})

    def _sit(self, feed: Feed, start_s: float, *, speak: bool = False) -> Speaker:
        """Let `feed`'s worker speak after the last frames that were let through."""
        self._on_turn(feed.link.generation)
        handed = self._switch.hand_over(feed.link.generation)
        assert handed, "only a newer generation comes"
        self._lost = self._absent_since_s = None
        self._active = speaker = Speaker(feed, self._stage, self._switch.start_after(), start_s=start_s)
        if speak:
            feed.speak(self._switch.start_after())
        else:
            speaker.begin(self._switch.start_after())
        self._go_on_with_slate()
        return speaker

    def _tell_gave(self, was: Before, loss: Loss | None, standby: Standby | None, why: Reason) -> None:
        assert self._active is not None, "somebody sits here"
        self._on_event(gave_of(self._active.link, was, loss, standby, why, self._stage.look().now_s))

    def _release(self, reason: str) -> None:
        """Let the one who speaks go, without calling it a loss."""
        active, self._active = self._active, None
        if active is not None:
            active.link.close(reason)
            self._on_event(Released(active.link, reason))

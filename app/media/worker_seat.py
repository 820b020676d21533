"""The seats of a channel's workers: one speaks, one stands by. Feeds them the source, takes what they encoded
through the output switch, and gives the stream to the standby when the one who speaks is lost.

A newer generation takes over when its feed begins, not when it is announced, so the old one speaks until then.
Leaves to the door how a worker proves who it is, to `reflex` the verdict on a loss, to `switch` what may pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiortmp import MediaBatch
from app.domain.failover import DecidedBy, SwitchKind
from app.domain.ladder import AUDIO_TRACK
from app.domain.stream import SlateMode, StandbyGrade, WorkerGrant
from app.media.arrival import Arrival, arrive
from app.media.fanout import Outlet
from app.media.feed import Feed, SourceNow, WorkerLink
from app.media.join import Headers
from app.media.progress import PROVED_START_S, START_S, WorkerProgress
from app.media.reflex import Loss, Reflex, on_loss
from app.media.ring import ReplayRing
from app.media.seat_events import Before, Gave, Lost, Proved, Released, SeatEvent, TrackBefore
from app.media.standby import Standby
from app.media.switch import OutputSwitch
from app.media.timeline import Timeline

UNREAD = "the worker does not read its feed"


class WorkerSeat:
    """`on_frames(track, arrival, generation)` hears what passed the switch, `on_event` what became of workers.

    `look` tells the time and how far the source is.
    """

    def __init__(
        self,
        *,
        timeline: Timeline,
        switch: OutputSwitch,
        ring: ReplayRing,
        headers: Headers,
        look: Callable[[], SourceNow],
        on_frames: Callable[[str, Arrival, int], None],
        on_event: Callable[[SeatEvent], None],
    ) -> None:
        self._timeline = timeline
        self._switch = switch
        self._ring = ring
        self._headers = headers
        self._look = look
        self._on_frames = on_frames
        self._on_event = on_event
        self._active: Feed | None = None
        self._progress: dict[str, WorkerProgress] = {}
        self._standby: Standby | None = None
        self._slate = SlateMode.OFF
        self._lost: Lost | None = None
        """The last one who spoke, lost, while nobody follows."""

    # --- who sits here ---------------------------------------------------------------------------------

    @property
    def link(self) -> WorkerLink | None:
        """The worker that speaks."""
        return self._active.link if self._active is not None else None

    @property
    def standby(self) -> Standby | None:
        return self._standby

    @property
    def is_bereft(self) -> bool:
        """The worker that spoke was lost, and nobody has come since."""
        return self._lost is not None

    def feed(self, link: WorkerLink, outlet: Outlet) -> bool:
        """`link` speaks from now on; False when a newer generation does. The one before it is told to go."""
        was, orphaned = self._before(), self._lost
        if not self._switch.hand_over(link.generation):
            return False
        self._release(f"replaced by generation {link.generation}")
        standby = self._standby
        if standby is not None and standby.feed.link.generation <= link.generation:
            self.remove_standby(f"generation {link.generation} speaks")
        self._sit(Feed(link, outlet), START_S)
        self._replay()
        self._go_on_with_slate()
        if orphaned is not None or was.link is not None:
            loss = orphaned.loss if orphaned is not None else None
            self._tell_gave(was, loss, kind=SwitchKind.REPLACED, cause="replaced by control")
        return True

    def stand_by(self, link: WorkerLink, outlet: Outlet, grade: StandbyGrade) -> None:
        """`link` waits for its turn, which has come when the one who spoke is lost."""
        self.remove_standby(f"generation {link.generation} stands by")
        feed = Feed(link, outlet)
        if self._lost is not None:
            self._give(feed, None, self._lost.before, self._lost.loss, verdict=Reflex.FEED)
            return
        self._standby = Standby(feed, grade)
        start_after = self._switch.start_after()
        self._standby.enter(self._headers, self._ring, position_ms=self._position_ms, start_after=start_after)

    def keep(self, active: WorkerGrant | None, standby: WorkerGrant | None) -> None:
        """A newer plan names these two. It may not know yet that the stream was given to its standby."""
        waits = self._standby
        if waits is None:
            return
        link = waits.feed.link
        if active is not None and active.generation == link.generation:
            self._standby, loss = None, self._lost.loss if self._lost is not None else None
            self._give(waits.feed, waits, self._before(), loss, kind=SwitchKind.REPLACED)
        elif standby is None or (standby.worker_id, standby.generation) != (link.worker_id, link.generation):
            self.remove_standby("the plan does not name it any more")

    # --- media -----------------------------------------------------------------------------------------

    def push_source(self, arrival: Arrival, now: SourceNow) -> None:
        """Hand live source packets to the workers."""
        standby = self._standby
        if standby is not None:
            self._push_standby(standby, arrival)
        active = self._active
        if active is None:
            return
        if not active.push(arrival.batch):
            self._lose(Loss("stalled", UNREAD, now.now_s))
            return
        # A source with pictures is judged by them alone: sound that is passed through says nothing of an encoder.
        has_video = now.video_ms is not None
        if arrival.video_frames or (arrival.audio_frames and not has_video):
            for track, progress in self._progress.items():
                if (track != AUDIO_TRACK) == has_video:
                    progress.source(now.now_s)

    def take(self, link: WorkerLink, track: str, batch: MediaBatch, now: SourceNow) -> None:
        """Packets of one track that `link` encoded."""
        active = self._active
        if active is None or link is not active.link:
            self._take_aside(link, track, batch)
            return
        if not self._switch.knows(track):
            return
        passed = self._switch.admit(track, link.generation, arrive(batch, self._around))
        if passed is None:
            return
        progress = self._progress.get(track)
        if passed.frames and progress is not None:
            newest_ms = now.audio_ms if track == AUDIO_TRACK else now.video_ms
            lag_ms = None if newest_ms is None else max(0, newest_ms - passed.positions[-1])
            progress.programme(now.now_s, lag_ms)
        self._on_frames(track, passed, link.generation)

    # --- slate -----------------------------------------------------------------------------------------

    def slate(self, mode: SlateMode) -> None:
        """The source is silent: the worker that speaks makes pictures of its own, or with OFF no more."""
        self._slate = mode
        if self._active is not None:
            self._active.slate(mode, self._timeline.position_ms(self._look().now_s) or 0)

    def slate_over(self) -> None:
        """The source is back; its packets tell the worker."""
        self._slate = SlateMode.OFF

    def _go_on_with_slate(self) -> None:
        """A worker that begins while the source is silent."""
        if self._slate is not SlateMode.OFF:
            self.slate(self._slate)

    # --- ends ------------------------------------------------------------------------------------------

    def check(self, now_s: float) -> None:
        """Let a worker go that stands still on any track it owes; one that the plan dropped it does not owe."""
        for track, progress in self._progress.items():
            silence_s = progress.stalled(now_s) if self._switch.knows(track) else None
            if silence_s is not None:
                seen = f"no programme frame on {track} for {silence_s:.2f} s while the source flows"
                self._lose(Loss("stalled", seen, now_s))
                return

    @property
    def due(self) -> float | None:
        """When `check` may find something if nothing comes until then."""
        return min([due for progress in self._progress.values() if (due := progress.due) is not None], default=None)

    def gone(self, link: WorkerLink, cause: str, evidence: str) -> None:
        """`link`'s connection ended by itself."""
        if self._active is not None and link is self._active.link:
            self._lose(Loss(cause, evidence, self._look().now_s))
        elif self._standby is not None and link is self._standby.feed.link:
            self.remove_standby(f"{cause}: {evidence}")

    def remove_standby(self, reason: str) -> None:
        """Let the one that waits go; nothing happens without one."""
        standby, self._standby = self._standby, None
        if standby is not None:
            standby.feed.link.close(reason)
            self._on_event(Released(standby.feed.link, reason))

    def clear(self, reason: str) -> None:
        """The stream is over: let everybody go."""
        self.remove_standby(reason)
        self._release(reason)
        self._lost = None

    def settle(self) -> None:
        """The worker that speaks has caught up with the source."""
        for progress in self._progress.values():
            progress.settle()

    # --- inside ----------------------------------------------------------------------------------------

    @property
    def _position_ms(self) -> int:
        return self._ring.start_ms or self._timeline.newest_ms or 0

    def _before(self) -> Before:
        if self._lost is not None:
            return self._lost.before
        tracks = {
            name: TrackBefore(last_ms, seen.frame_s, seen.lag_ms)
            if seen is not None
            else TrackBefore(last_ms, None, None)
            for name, last_ms in self._switch.start_after().items()
            for seen in (self._progress.get(name),)
        }
        return Before(self.link, self._switch.generation, tracks)

    def _sit(self, feed: Feed, start_s: float) -> None:
        now_s = self._look().now_s
        self._active = feed
        self._progress = {t: WorkerProgress(now_s, start_s=start_s) for t in self._switch.start_after()}

    def _replay(self) -> None:
        now, feed = self._look(), self._active
        assert feed is not None, "somebody sits here"
        feed.start(self._switch.start_after())
        replay = self._ring.replay(self._switch.returned_ms(now.video_ms, now.audio_ms))
        feed.replay(self._headers.messages(self._position_ms), replay)

    def _push_standby(self, standby: Standby, arrival: Arrival) -> None:
        if not standby.push(arrival):
            self.remove_standby(UNREAD)
        elif arrival.key is not None or (arrival.audio_frames and not self._headers.has_video):
            standby.show(self._headers, self._ring, self._position_ms)

    def _take_aside(self, link: WorkerLink, track: str, batch: MediaBatch) -> None:
        """From one that does not speak: nothing passes, but the standby may tell of itself."""
        arrival = arrive(batch, self._around)
        standby = self._standby
        if standby is not None and link is standby.feed.link:
            if standby.take(track, arrival):
                self._on_event(Proved(link, standby.headers))
        else:
            self._switch.fence(arrival)

    def _lose(self, loss: Loss) -> None:
        """The one who speaks is lost: the standby takes over, or nobody does until another worker comes."""
        active, was = self._active, self._before()
        assert active is not None, "only who speaks can be lost"
        self._active, self._progress = None, {}
        active.link.close(loss.reason)
        now, standby = self._look(), self._standby
        verdict = on_loss(
            standby.grade if standby is not None else None,
            is_ready=standby is not None and standby.is_ready,
            missing_from_ms=self._switch.returned_ms(now.video_ms, now.audio_ms),
            newest_ms=now.video_ms if now.video_ms is not None else now.audio_ms,
        )
        if standby is None or verdict is Reflex.WAIT:
            self._lost = Lost(was, loss)
            self._on_event(self._lost)
        else:
            self._standby = None
            self._give(standby.feed, standby, was, loss, verdict=verdict)

    def _give(
        self,
        feed: Feed,
        standby: Standby | None,
        was: Before,
        loss: Loss | None,
        *,
        kind: SwitchKind = SwitchKind.REFLEX,
        verdict: Reflex = Reflex.FEED,
    ) -> None:
        """`feed`'s worker, which may have stood by as `standby`, speaks from now on."""
        handed = self._switch.hand_over(feed.link.generation)
        assert handed, "only a newer generation stands by"
        self._release(f"replaced by generation {feed.link.generation}")
        self._sit(feed, PROVED_START_S if standby is not None and standby.is_ready else START_S)
        if verdict is Reflex.SPEAK:
            feed.speak(self._switch.start_after())
        else:
            self._replay()
        self._go_on_with_slate()
        self._tell_gave(was, loss, kind=kind, cause="named by the plan", standby=standby)

    def _tell_gave(
        self, was: Before, loss: Loss | None, *, kind: SwitchKind, cause: str, standby: Standby | None = None
    ) -> None:
        """`cause` is that of a switch without a loss."""
        self._lost, link = None, self.link
        assert link is not None, "somebody sits here"
        event = Gave(
            link=link,
            before=was,
            kind=kind,
            cause=loss.cause if loss is not None else cause,
            evidence=loss.evidence if loss is not None else "",
            decided_by=DecidedBy.GATEWAY if kind is SwitchKind.REFLEX else DecidedBy.CONTROL,
            detected_s=loss.at_s if loss is not None else None,
            decided_s=self._look().now_s,
            grade=standby.grade if standby is not None else StandbyGrade.COLD,
            is_proved=standby is not None and standby.is_ready,
            headers=dict(standby.headers) if standby is not None else {},
        )
        self._on_event(event)

    def _release(self, reason: str) -> None:
        """Let the one who speaks go, without calling it a loss."""
        active = self._active
        self._active, self._progress = None, {}
        if active is not None:
            active.link.close(reason)
            self._on_event(Released(active.link, reason))

    def _around(self, stamps: Sequence[tuple[int, int]]) -> list[int]:
        return [self._timeline.around(stamp) for _, stamp in stamps]

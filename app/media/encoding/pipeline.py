"""Source packets in, programme packets out: decode, scale and encode side by side in threads.

    put -> [inbox] -> decode, sound -> [pictures] -> gate, scale -> [shots] -> encode (per rendition) -> [outbox]

Every queue is bounded: whoever is slow holds back those before it, up to `put`, and nothing is thrown away.
Leaves to others: containers, RTMP, the clock's meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, Thread
from typing import Final

from app.domain.errors import ManagerError, Unavailable
from app.domain.ladder import Rendition
from app.domain.stream import EncodeSettings, SlateMode
from app.media.encoding.codecs import encoder_name
from app.media.encoding.colour import Colour
from app.media.encoding.conduit import Closed, Conduit
from app.media.encoding.encoder import VideoEncoder
from app.media.encoding.intake import Inlet, Intake, Outlets, SlateOn
from app.media.encoding.meter import Meter
from app.media.encoding.packets import ProgrammeItem, SourceItem, TrackPacket, VideoPacket
from app.media.encoding.rungs import Picture, Rung, Shot
from app.media.encoding.sharing import Begin, Sharing, Shown
from app.media.encoding.words import StartAfter
from app.runtime.clock import monotonic

_INBOX_PACKETS: Final = 4096
"""Half a minute of 60 fps with sound: what a replay after a failover can bring at once."""
_PICTURES: Final = 3
_OUTBOX_PACKETS: Final = 512
_MARGIN_MS: Final = 100
"""Kept pictures come one at a time: the span of the oldest ones is not known to the millisecond."""
_AnyConduit = Conduit[Inlet] | Conduit[Shown] | Conduit[Shot] | Conduit[ProgrammeItem]
IDLE_FLUSH_S: Final = 0.5
"""A live source silent for so long may be gone: the frames that the encoders hold back are let out."""


class Pipeline:
    """Runs from construction until `finish` has drained it, `abort`, or a failure.

    `start_after` names for each track the last timestamp that must not come out again. `idle_flush_s` is for live
    sources; None for files. `listening`: nothing comes out before `speak`. `on_output` is called when the outbox
    stops being empty, from any thread. `on_problem` hears what is wrong with the source without ending the work.
    Raises InvalidRequest for settings that can't work.
    """

    def __init__(
        self,
        settings: EncodeSettings,
        *,
        start_after: StartAfter | None = None,
        idle_flush_s: float | None = None,
        decoder_threads: int = 1,
        listening: bool = False,
        on_output: Callable[[], None] | None = None,
        on_problem: Callable[[str], None] = lambda _: None,
    ) -> None:
        after = start_after or {}
        self._settings = settings
        self._encoder_name = encoder_name(settings.codec)
        self._idle_flush_s = idle_flush_s
        self._inbox: Conduit[Inlet] = Conduit(_INBOX_PACKETS)
        self._pictures: Conduit[Shown] = Conduit(_PICTURES)
        self.outbox: Conduit[ProgrammeItem] = Conduit(_OUTBOX_PACKETS, on_item=on_output)
        self._rungs = [
            Rung(
                rendition,
                settings.keyframe_interval_ms,
                after.get(rendition.name),
                independent=settings.independent_gops,
            )
            for rendition in settings.ladder.renditions
        ]
        self._newest_put_ms: int | None = None
        self.meter = Meter()
        self._intake = Intake(
            settings,
            after,
            outlets=Outlets(self._pictures, self.outbox.put, on_problem),
            meter=self.meter,
            decoder_threads=decoder_threads,
            listening=listening,
        )
        self._sharing = Sharing(self._rungs, self.meter, listening=listening)
        self.failure: ManagerError | None = None
        self._lock = Lock()
        self._threads = self._make_threads()
        self._running = len(self._threads)
        for thread in self._threads:
            thread.start()

    # --- the owner's side -------------------------------------------------------------------------------

    def put(self, item: SourceItem | Picture) -> None:
        """Wait for room, then take the item. Raises Closed when the pipeline is over."""
        self._note_arrival(item)
        self._inbox.put(item)

    def try_put(self, item: SourceItem) -> bool:
        """False when there is no room: encoding has fallen behind by a whole inbox. Raises Closed."""
        self._note_arrival(item)
        return self._inbox.try_put(item)

    def reaches(self, start_after: StartAfter) -> bool:
        """Whether a pipeline that listens still has every picture after these times when it gets to speak.

        What it has taken in and not decoded by then pushes out as much of the pictures it keeps.
        """
        if self._newest_put_ms is None:
            return True
        wanted = [start_after.get(rung.rendition.name) for rung in self._rungs]
        known = [ms for ms in wanted if ms is not None]
        kept_from_ms = self._newest_put_ms - self._sharing.span_ms + _MARGIN_MS
        return len(known) == len(wanted) and min(known, default=kept_from_ms) >= kept_from_ms

    def speak(self, start_after: StartAfter) -> bool:
        """Stop listening: what comes after these times goes out, kept pictures and sound first. False: no room."""
        return self._inbox.try_put(Begin(start_after))

    def slate(self, mode: SlateMode, from_ms: int | None) -> bool:
        """Make pictures and silence in real time until packets of a picture come again. False: no room."""
        return self._inbox.try_put(SlateOn(mode, from_ms))

    def set_rates(self, settings: EncodeSettings) -> None:
        """Encode the same renditions at these rates from the next key frame of the grid on."""
        renditions = {rendition.name: rendition for rendition in settings.ladder.renditions}
        for rung in self._rungs:
            rung.rendition = renditions[rung.rendition.name]

    @property
    def waiting(self) -> int:
        """Packets of the source that nobody has decoded yet."""
        return len(self._inbox)

    def finish(self) -> None:
        """No more input: everything inside comes out, then the outbox is closed. Does not wait."""
        self._inbox.close()

    def abort(self) -> None:
        """Stop as soon as the packets in the works are done; throw the rest away."""
        for conduit in self._conduits():
            conduit.abort()

    def fail(self, error: ManagerError) -> None:
        """Abort because of `error`; the first one stays as `failure`."""
        with self._lock:
            self.failure = self.failure or error
        self.abort()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for the threads; the outbox must be taken from meanwhile, or be aborted. Each may take `timeout_s`:
        a codec that hangs can't be ended."""
        for thread in self._threads:
            thread.join(timeout_s)

    def _note_arrival(self, item: SourceItem | Picture) -> None:
        if isinstance(item, VideoPacket):
            self._newest_put_ms = max(item.pts_ms, self._newest_put_ms or item.pts_ms)
            self.meter.arrived(item.pts_ms, monotonic())

    # --- threads ----------------------------------------------------------------------------------------

    def _make_threads(self) -> list[Thread]:
        works: list[tuple[str, Callable[[], None]]] = [
            ("decode", lambda: self._intake.run(self._inbox)),
            ("scale", lambda: self._sharing.run(self._pictures)),
        ]
        works += [(f"encode-{rung.rendition.name}", self._encoder_of(rung)) for rung in self._rungs]
        return [Thread(target=self._supervise, args=(work,), name=name, daemon=True) for name, work in works]

    def _encoder_of(self, rung: Rung) -> Callable[[], None]:
        emit = self._emit_measured if rung is self._rungs[0] else self.outbox.put
        return lambda: rung.encode(self._open_encoder, emit, idle_flush_s=self._idle_flush_s)

    def _open_encoder(self, rendition: Rendition, colour: Colour) -> VideoEncoder:
        return VideoEncoder(
            rendition,
            name=self._encoder_name,
            preset=self._settings.preset,
            colour=colour,
            repeatable=self._settings.independent_gops,
        )

    def _emit_measured(self, item: ProgrammeItem) -> None:
        if isinstance(item, TrackPacket):
            self.meter.encoded(item.pts_ms, monotonic())
        self.outbox.put(item)

    def _supervise(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Closed:
            pass
        except ManagerError as error:
            self.fail(error)
        except Exception as error:  # the supervisor of a thread: a failure must reach the owner
            self.fail(Unavailable(f"encoding failed: {error!r}"))
        with self._lock:
            self._running -= 1
            last = self._running == 0
        if last:
            self.outbox.close()

    def _conduits(self) -> list[_AnyConduit]:
        return [self._inbox, self._pictures, *(rung.shots for rung in self._rungs), self.outbox]

"""The worker that stands by: what it is shown, and when it has proved itself. It never passes the output switch.

Leaves to the seat when it takes over, to the worker how it proves itself.
"""

from __future__ import annotations

from aiortmp import MediaMessage, MessageType, ProtocolError, amf0
from app.domain.stream import StandbyGrade
from app.media.arrival import Arrival
from app.media.feed import Feed, WorkerLink
from app.media.formats import HEADER_MAX_BYTES
from app.media.reflex import Loss
from app.media.seat_events import Before, Gave, Reason
from app.media.speaker import Stage
from app.media.timeline import AUDIO, VIDEO

_READY = b"\x02\x00\x0eonStandbyReady"


class Standby:
    """`headers` are the sequence headers that it published, by track; `is_ready` once it said that it is proved."""

    def __init__(self, feed: Feed, grade: StandbyGrade) -> None:
        self.feed = feed
        self.grade = grade
        self.headers: dict[str, MediaMessage] = {}
        self.is_ready = False
        self._shown: list[bytes] | None = None

    @property
    def follows(self) -> bool:
        """Whether it is sent live packets."""
        return self.grade in (StandbyGrade.HOT, StandbyGrade.ACTIVE_ACTIVE)

    def enter(self, stage: Stage) -> None:
        """Tell it what it is, and show it what there is of the source."""
        self.feed.link.watch(True)
        start_after = stage.switch.start_after()
        # One that decodes along learns from it where the timeline is: packets carry its low 32 bits only.
        self.feed.stand_by(self.grade, start_after if self.follows else None)
        if self.follows:
            from_ms = min([ms for ms in start_after.values() if ms is not None], default=None)
            self.feed.replay(stage.opening(from_ms), stage.ring.replay(from_ms))
        else:
            self._show(stage)

    def push(self, arrival: Arrival, stage: Stage) -> bool:
        """Live source packets came; False when it does not read."""
        if self.follows:
            return self.feed.push(arrival.batch)
        if arrival.key is not None or not stage.headers.has_video:
            self._show(stage)
        return True

    def _show(self, stage: Stage) -> None:
        """Headers and the newest key frame, unless it has seen these headers."""
        headers, newest = stage.ring.newest_group()
        said = [message.payload for message in headers if message.type in (VIDEO, AUDIO)]
        if said == self._shown or not newest:
            return
        self._shown = said
        key = [newest[0][:1]] if stage.headers.has_video else []
        self.feed.replay(headers, key)

    def take(self, track: str, arrival: Arrival) -> bool:
        """What it published on `track`; True when it says that it is proved."""
        told = False
        for index in arrival.headers:
            message = arrival.batch[index]
            if message.type is MessageType.DATA:
                told = self._says_ready(message.payload) or told
            elif len(message.payload) <= HEADER_MAX_BYTES:
                self.headers[track] = message
        self.is_ready = self.is_ready or told
        return told

    def _says_ready(self, payload: bytes) -> bool:
        if not payload.startswith(_READY):
            return False
        try:
            values = amf0.decode(payload)
        except ProtocolError:
            return False
        said = values[1] if len(values) > 1 else None
        return isinstance(said, dict) and said.get("generation") == self.feed.link.generation


def gave_of(
    link: WorkerLink, was: Before, loss: Loss | None, standby: Standby | None, why: Reason, now_s: float
) -> Gave:
    """What is told when `link`, which stood by as `standby` if it did, takes over from who was before."""
    return Gave(
        link=link,
        before=was,
        kind=why.kind,
        cause=why.cause if loss is None else loss.cause,
        evidence=loss.evidence if loss is not None else "",
        decided_by=why.decided_by,
        detected_s=loss.at_s if loss is not None else None,
        decided_s=now_s,
        grade=standby.grade if standby is not None else StandbyGrade.COLD,
        is_proved=standby is not None and standby.is_ready,
    )

"""What was told about each stream, numbered and kept for clients that were away. Pure; asks not who may hear it.

Changes are numbered without a gap, so a client that sees one knows that it missed something. Readings bear the
number of the change they come after and are not kept: only the newest matters, and that can be read anew.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from typing import Final

from app.api.socket_events import Saying, message
from app.domain.ids import StreamId
from app.services.websocket_security import Message, Since

MAX_CHANGES: Final = 128
"""Half of what may wait for a client, so that all of it can be told at once."""
MAX_BYTES: Final = 128_000
MAX_STREAMS: Final = 1_000
"""Those longest without a word go first. What runs has its health told, so those are streams that ended."""


@dataclass(slots=True)
class StreamLog:
    """`last` is the number of the newest change; `last_gone` that of the newest one no longer kept."""

    last: int
    last_gone: int
    kept: deque[tuple[int, Message]] = field(default_factory=deque)
    kept_bytes: int = 0

    def keep(self, told: Message) -> None:
        self.kept.append((self.last, told))
        self.kept_bytes += told.size_bytes
        while len(self.kept) > MAX_CHANGES or self.kept_bytes > MAX_BYTES:
            self.last_gone, gone = self.kept.popleft()
            self.kept_bytes -= gone.size_bytes


class StreamLogs:
    """`log_id` names this run of control. Numbers begin after `floor`; one that grows from run to run, such as
    milliseconds of wall time, lets clients tell the logs of two runs apart by their numbers alone."""

    def __init__(self, *, log_id: str, floor: int) -> None:
        self.log_id = log_id
        self._floor = floor
        self._logs: OrderedDict[StreamId, StreamLog] = OrderedDict()

    def __len__(self) -> int:
        return len(self._logs)

    def last(self, stream_id: StreamId) -> int:
        """The number of the stream's newest change."""
        return self._log(stream_id).last

    def tell(self, stream_id: StreamId, saying: Saying) -> Message:
        """A change gets the next number and is kept."""
        if saying.topic is not None:
            return self.read(stream_id, saying)
        log = self._log(stream_id)
        log.last += 1
        told = self._numbered(saying, log.last)
        log.keep(told)
        return told

    def read(self, stream_id: StreamId, saying: Saying) -> Message:
        """How things are after the newest change."""
        return self._numbered(saying, self.last(stream_id))

    def missed(self, stream_id: StreamId, since: Since) -> tuple[Message, ...] | None:
        """The changes after `since`, oldest first; None when they cannot be told: not kept, or of another log."""
        if since.log_id not in (None, self.log_id):
            return None
        log = self._log(stream_id)
        if not log.last_gone <= since.seq <= log.last:
            return None
        return tuple(told for number, told in log.kept if number > since.seq)

    def _numbered(self, saying: Saying, number: int) -> Message:
        return message(replace(saying, data={**saying.data, "seq": number, "log_id": self.log_id}))

    def _log(self, stream_id: StreamId) -> StreamLog:
        log = self._logs.get(stream_id)
        if log is None:
            log = self._logs[stream_id] = StreamLog(self._floor, self._floor)
            if len(self._logs) > MAX_STREAMS:
                _, gone = self._logs.popitem(last=False)
                # Should that stream be heard of again, its numbers go on growing.
                self._floor = max(self._floor, gone.last)
        self._logs.move_to_end(stream_id)
        return log

"""Sending media on one message stream: chunks handed on as they came, or encoded once for all.

Received chunks may go out untouched when this reader has what their headers refer to: the same
chunk size, and the batch before this one from the same source, with nobody else's media in
between. Otherwise the batch is encoded with full headers, which also lets the next one follow raw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from aiortmp.aio.transport import Connection
from aiortmp.media import MediaBatch, Span, encode_row

_SMALLEST_RAW_CHUNK_BYTES: Final = 1024
"""Smaller chunks are not handed on: they would cost every reader what one publisher saves."""


class MediaSender:
    """Something media can be sent to. `send` never blocks; watch `buffered_bytes`."""

    def __init__(self, connection: Connection, stream_id: int, name: str) -> None:
        self.connection = connection
        self.stream_id = stream_id
        self.name = name
        self.on_writable: Callable[[], None] | None = None
        """Called when the transport drained below low water after having been above high water."""
        self.on_end: Callable[[str], None] | None = None
        """Called once when nothing can be sent any more."""
        self._open = True
        self._source: object = None
        self._serial = 0
        self._shift = 0
        self._lanes = 0

    @property
    def is_open(self) -> bool:
        """Whether `send` still has an effect."""
        return self._open

    @property
    def buffered_bytes(self) -> int:
        """Bytes of this connection that the kernel has not yet taken."""
        return self.connection.buffered_bytes

    def send(self, batch: MediaBatch) -> None:
        """Put a batch on the wire. Without effect once the stream is over."""
        if not self._open:
            return
        connection = self.connection
        source = batch._source
        follows = (
            batch._serial == self._serial + 1
            and source is self._source
            and source is not None
            and connection.media_owner is self
            and batch._shift == self._shift
        )
        self._serial = batch._serial
        if (
            follows
            and batch._spans is not None
            and not batch._lanes & ~self._lanes
            and batch._chunk_size >= _SMALLEST_RAW_CHUNK_BYTES
            and (not batch._has_full_header or batch.stream_id == self.stream_id)
        ):
            self._send_raw(connection, batch._spans, batch._chunk_size)
            return
        self._lanes = self._lanes | batch._lanes if follows else batch._lanes
        self._source = source
        self._shift = batch._shift
        connection.media_owner = self
        connection.write(batch.encoded(connection.out_chunk_size, self.stream_id))

    def _send_raw(self, connection: Connection, spans: Sequence[Span], chunk_size: int) -> None:
        if chunk_size != connection.out_chunk_size:
            connection.change_chunk_size(chunk_size)
        if len(spans) == 1 and not isinstance(spans[0], tuple):
            connection.write(spans[0])
            return
        parts: list[bytes | memoryview] = []
        for span in spans:
            if isinstance(span, tuple):
                encode_row(span, chunk_size, self.stream_id, parts)
            else:
                parts.append(span)
        connection.write_parts(parts)

    def over(self, reason: str) -> None:
        """For the connection: this stream has ended."""
        if self._open:
            self._open = False
            if self.on_end is not None:
                self.on_end(reason)

"""What one read has brought so far for one message stream."""

from __future__ import annotations

from aiortmp.media import MediaBatch, Row, Span


class InboundStream:
    """Gathers rows and runs of chunks until the reader takes them as a batch."""

    __slots__ = ("has_full_header", "lanes", "rows", "serial", "spans", "stream_id")

    def __init__(self, stream_id: int) -> None:
        self.stream_id = stream_id
        self.serial = 0
        self.rows: list[Row] = []
        self.spans: list[Span] = []
        self.lanes = 0
        self.has_full_header = False

    def add_run(self, data: bytes, start: int, end: int) -> None:
        """Chunks that may be handed on as they came."""
        self.spans.append(data if end - start == len(data) else memoryview(data)[start:end])

    def take(self, chunk_size: int) -> MediaBatch:
        """Everything gathered, as a batch; the next one follows it."""
        self.serial += 1
        batch = MediaBatch(
            self.rows,
            self.stream_id,
            self.spans,
            chunk_size,
            self,
            self.serial,
            self.lanes,
            self.has_full_header,
        )
        self.rows, self.spans = [], []
        self.lanes, self.has_full_header = 0, False
        return batch

"""An outside viewer over HTTP-FLV that notes when each picture arrives, by the monotonic clock."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.request
from dataclasses import dataclass
from itertools import pairwise

_VIDEO = 9
_HEADER_BYTES, _TAG_BYTES = 9 + 4, 11


@dataclass(frozen=True)
class Seen:
    """A picture: when it arrived here, and its decoding time on the stream's timeline."""

    at_s: float
    dts_ms: int


class FlvViewer:
    """Reads in a thread from `start()` to `stop()`. `ended` says why reading ended, when the server ended it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pictures: list[Seen] = []
        self.ended: str | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> FlvViewer:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopped = True
        self._thread.join(timeout=20)

    def longest_gap_s(self, since_s: float, until_s: float) -> float | None:
        """Between the arrival of two pictures, of which the later is inside; None before there are two."""
        return max((b.at_s - a.at_s for a, b in self._pairs(since_s, until_s)), default=None)

    def longest_step_ms(self, since_s: float, until_s: float) -> int | None:
        """The same on the stream's timeline: what the picture itself jumps."""
        return max((b.dts_ms - a.dts_ms for a, b in self._pairs(since_s, until_s)), default=None)

    def _pairs(self, since_s: float, until_s: float) -> list[tuple[Seen, Seen]]:
        return [pair for pair in pairwise(tuple(self.pictures)) if since_s <= pair[1].at_s <= until_s]

    def _run(self) -> None:
        try:
            with urllib.request.urlopen(self.url, timeout=15) as answer:
                self._read(answer)
            self.ended = None if self._stopped else "the server ended the answer"
        except OSError as error:
            self.ended = str(error)

    def _read(self, answer: http.client.HTTPResponse) -> None:
        _exactly(answer, _HEADER_BYTES)
        while not self._stopped:
            head = answer.read(_TAG_BYTES)
            if len(head) < _TAG_BYTES:
                return
            size = int.from_bytes(head[1:4], "big")
            body = _exactly(answer, size + 4)
            if head[0] == _VIDEO and size > 2 and body[1] == 1:
                dts_ms = int.from_bytes(head[7:8] + head[4:7], "big")
                self.pictures.append(Seen(time.monotonic(), dts_ms))


def _exactly(answer: http.client.HTTPResponse, size: int) -> bytes:
    data = answer.read(size)
    if len(data) < size:
        raise OSError("the answer ended within a tag")
    return data

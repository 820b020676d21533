"""A viewer over RTMP, from outside: notes when each picture arrives, and reads the number in it afterwards."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise

import av

from benchmarks.failover.source import PICTURES
from tests.e2e.source import read_number

OPEN_S, READ_S = 30.0, 60.0
USUAL_S = 2.0


@dataclass(frozen=True)
class Seen:
    at_s: float
    number: int


@dataclass
class Window:
    """What one failover looked like."""

    gap_s: float
    lost: int
    doubled: int


@dataclass
class Viewer:
    """Decodes when it has stopped, so that it costs little while others are measured."""

    url: str
    seen: list[Seen] = field(default_factory=list)
    last_at_s: float | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Viewer:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=300)

    def window(self, since_s: float, until_s: float) -> Window:
        """Of the pictures whose arrival, or that of the one after them, lies inside."""
        pairs = [(a, b) for a, b in pairwise(self.seen) if since_s <= b.at_s <= until_s]
        steps = [(b.number - a.number) % PICTURES for a, b in pairs]
        return Window(
            gap_s=max((b.at_s - a.at_s for a, b in pairs), default=0.0),
            lost=sum(step - 1 for step in steps if 1 < step <= PICTURES // 2),
            doubled=sum(PICTURES - step + 1 for step in steps if step > PICTURES // 2) + steps.count(0),
        )

    def usual(self, before_s: float) -> Window:
        """While nothing was done to it."""
        return self.window(before_s - USUAL_S, before_s)

    def _run(self) -> None:
        packets: list[tuple[float, av.Packet]] = []
        options = {"analyzeduration": "1000000", "fflags": "nobuffer"}
        try:
            with av.open(self.url, options=options, timeout=(OPEN_S, READ_S)) as container:
                stream = container.streams.video[0]
                stream.codec_context.thread_count = 1
                try:
                    for packet in container.demux(stream):
                        if packet.size:
                            self.last_at_s = time.monotonic()
                            packets.append((self.last_at_s, packet))
                        if self._stopped.is_set():
                            break
                except (OSError, av.FFmpegError) as error:
                    self.error = str(error)
                self.seen = _read(packets)
        except (OSError, av.FFmpegError) as error:
            self.error = str(error)


def _read(packets: list[tuple[float, av.Packet]]) -> list[Seen]:
    """Decoded one by one; a picture that needs others that did not come shows nothing and counts as lost."""
    seen: list[Seen] = []
    for at_s, packet in packets:
        try:
            seen += [Seen(at_s, read_number(frame)) for frame in packet.decode()]
        except av.FFmpegError:
            continue
    return seen

"""The sampling child's process: looks at pictures and sound of a gateway's streams, one after the other.

Started by a gateway as `python -m app.assembly.sampler PARENT_PID`: looks on standard input, a line for each on
standard output. It ends when its standard input is closed and when its gateway has gone; its end touches nothing.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from dataclasses import replace
from pathlib import Path

import av

from app.domain.errors import InvalidRequest
from app.media.content.measure import Eye
from app.media.content.talk import Seen, read_look, seen_line
from app.media.encoding.confine import confine

MAX_RSS_BYTES = 384 * 1024**2
"""It ends when it holds more: a new one starts with nothing. A 4K picture takes some 40 MiB."""
_MAX_DATA_BYTES = 1024**3
_NICER = 5
"""Behind encoding, which is behind the gateway."""


def main() -> None:
    confine(int(sys.argv[1]))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_MAX_DATA_BYTES, hard))
    os.nice(_NICER)
    av.logging.set_level(None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    eye = Eye()
    while (look := read_look(sys.stdin.buffer)) is not None:
        before_s = _used_s()
        try:
            seen = eye.look(look)
        except (InvalidRequest, av.FFmpegError, ValueError):
            seen = Seen(0.0)
        sys.stdout.buffer.write(seen_line(replace(seen, busy_ms=(_used_s() - before_s) * 1000)))
        sys.stdout.buffer.flush()
        if _held_bytes() > MAX_RSS_BYTES:
            return


def _held_bytes() -> int:
    """Resident now; 0 where the system does not tell.

    Not `ru_maxrss`: that begins with what the gateway held when it started this process.
    """
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()


def _used_s() -> float:
    """Processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()

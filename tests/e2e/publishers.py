"""Real publishers: the ffmpeg program, and a current libavformat for what Debian's ffmpeg cannot send."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIBAVFORMAT_PUBLISHER = """
import sys, time, av
path, url = sys.argv[1], sys.stdin.readline().strip()
with av.open(path) as source, av.open(url, "w", format="flv") as sink:
    streams = {s.index: sink.add_stream_from_template(s) for s in source.streams}
    start = time.monotonic()
    for packet in source.demux():
        if packet.dts is None:
            continue
        time.sleep(max(0.0, float(packet.dts * packet.time_base) - (time.monotonic() - start)))
        packet.stream = streams[packet.stream.index]
        sink.mux(packet)
"""


def ffmpeg_command(path: Path, url: str, *more: str) -> list[str]:
    return [
        "ffmpeg",
        "-hide_banner",
        "-loglevel",
        "warning",
        "-re",
        *more,
        "-i",
        str(path),
        *("-c", "copy", "-f", "flv", "-flvflags", "no_duration_filesize", url),
    ]


def publish_with_ffmpeg(path: Path, url: str, *, within_s: float) -> str:
    """Publish the whole file in real time; the program must end well. Gives what it printed."""
    done = subprocess.run(ffmpeg_command(path, url), capture_output=True, text=True, timeout=within_s, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def publish_with_libavformat(path: Path, url: str, *, within_s: float) -> None:
    """The same with the libavformat inside PyAV: it sends Enhanced RTMP."""
    done = subprocess.run(
        [sys.executable, "-c", LIBAVFORMAT_PUBLISHER, str(path)],
        input=url + "\n",
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def publishing(path: Path, url: str, *more: str) -> Iterator[subprocess.Popen[str]]:
    """ffmpeg in the background; ended with the block."""
    process = subprocess.Popen(
        ffmpeg_command(path, url, *more), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=20)

"""How fast the worker's pipeline turns a file into a ladder, next to the `ffmpeg` binary doing the same.

    python -m benchmarks.transcode [--runs 3] [--seconds 20] [FILE]

Both decode the same file, scale to the same sizes and encode with the same x264 settings, as fast as they can, each
in a process of its own, turn and turn about. Printed: frames per second, CPU seconds, peak RSS, and their ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread

from app.domain.ladder import AudioMode, AudioPlan, FrameRate, Ladder, Rendition
from app.domain.stream import EncodeSettings
from app.media.encoding.codecs import encoder_options
from app.media.encoding.conduit import Closed
from app.media.encoding.files import read_source
from app.media.encoding.packets import TrackPacket
from app.media.encoding.pipeline import Pipeline

LADDER = Ladder(
    (
        Rendition("720p", 1280, 720, FrameRate(30), 3_000_000),
        Rendition("480p", 854, 480, FrameRate(30), 1_200_000),
        Rendition("360p", 640, 360, FrameRate(30), 700_000),
    ),
    AudioPlan(AudioMode.OFF),
)
SETTINGS = EncodeSettings(LADDER, keyframe_interval_ms=2_000)


@dataclass(frozen=True, slots=True)
class Result:
    frames: int
    wall_s: float
    cpu_s: float
    rss_bytes: int


def make_source(path: Path, seconds: int) -> None:
    picture = f"testsrc2=s=1920x1080:r=30:d={seconds},noise=alls=6:allf=t"
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "60", "-b:v", "6M"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", picture, *encode, str(path)], check=True)


def run_pipeline(path: Path) -> int:
    """Frames of the highest rendition. Called in the measured process."""
    pipeline = Pipeline(SETTINGS)

    def feed() -> None:
        for item in read_source(path):
            pipeline.put(item)
        pipeline.finish()

    Thread(target=feed, daemon=True).start()
    frames = 0
    try:
        while (item := pipeline.outbox.get()) is not None:
            frames += isinstance(item, TrackPacket) and item.track == LADDER.renditions[0].name
    except Closed:
        pass
    if pipeline.failure is not None:
        raise pipeline.failure
    return frames


def ffmpeg_command(path: Path) -> list[str]:
    count = len(LADDER.renditions)
    scales = [
        f"[s{n}]scale={r.width}:{r.height}:flags=bicubic,format=yuv420p[o{n}]"
        for n, r in enumerate(LADDER.renditions)
    ]
    split = f"[0:v]split={count}" + "".join(f"[s{n}]" for n in range(count))
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(path), "-filter_complex", ";".join([split, *scales])]
    for n, rendition in enumerate(LADDER.renditions):
        options = encoder_options("libx264", rendition, SETTINGS.preset)
        command += ["-map", f"[o{n}]", "-c:v", "libx264"]
        for key, value in options.items():
            command += ["-b:v" if key == "b" else f"-{key}", value]
        command += ["-force_key_frames", "expr:gte(t,n_forced*2)", "-vsync", "passthrough", "-f", "null", "-"]
    return command


def measure(command: list[str]) -> Result:
    """Wall and CPU seconds and the peak RSS of one child."""
    started = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.monotonic() - started
    if child.returncode != 0:
        raise SystemExit(f"{command[0]} failed: {child.returncode}")
    frames = int(text or 0)
    return Result(frames, wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def median(results: list[Result]) -> Result:
    return sorted(results, key=lambda result: result.wall_s)[len(results) // 2]


def compare(path: Path, runs: int) -> dict[str, object]:
    ours_command = [sys.executable, "-m", "benchmarks.transcode", "--child", str(path)]
    ours: list[Result] = []
    theirs: list[Result] = []
    for _ in range(runs):
        ours.append(measure(ours_command))
        theirs.append(measure(ffmpeg_command(path)))
    mine, other = median(ours), median(theirs)
    return {
        "pipeline": asdict(mine) | {"fps": round(mine.frames / mine.wall_s, 1)},
        "ffmpeg": asdict(other) | {"frames": mine.frames, "fps": round(mine.frames / other.wall_s, 1)},
        "speed_ratio": round(other.wall_s / mine.wall_s, 3),
        "speed_ratio_median_of_pairs": round(
            statistics.median(b.wall_s / a.wall_s for a, b in zip(ours, theirs, strict=True)), 3
        ),
        "cpu_ratio": round(mine.cpu_s / other.cpu_s, 3),
        "rss_ratio": round(mine.rss_bytes / other.rss_bytes, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(run_pipeline(options.file))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.file
        if path is None:
            path = Path(folder) / "source.mp4"
            make_source(path, options.seconds)
        print(json.dumps(compare(path, options.runs), indent=2))


if __name__ == "__main__":
    main()

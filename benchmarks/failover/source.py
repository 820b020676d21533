"""The programme that is published: 1080p30 with a key frame every 2 s and a number drawn into every picture.

Looped without a seam: its length is a whole number of pictures, of groups of pictures and of AAC frames. The moving
picture and its noise make decoding and encoding cost about what a camera's picture does.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from tests.e2e.source import BITS

FPS: Final = 30
SECONDS: Final = 64
PICTURES: Final = SECONDS * FPS
"""Numbers run from 0 to this, then begin again."""
WIDTH: Final = 1920
HEIGHT: Final = 1080


def make(path: Path) -> Path:
    block = WIDTH // BITS
    bits = [
        f"drawbox=x={i * block}:y=0:w={block}:h={HEIGHT // 3}:color=white:t=fill"
        f":enable='eq(mod(floor(n/{1 << (BITS - 1 - i)})\\,2)\\,1)'"
        for i in range(BITS)
    ]
    picture = f"testsrc2=s={WIDTH}x{HEIGHT}:r={FPS}:d={SECONDS},noise=alls=4:allf=t"
    picture += f",drawbox=x=0:y=0:w={WIDTH}:h={HEIGHT // 3}:color=black:t=fill," + ",".join(bits)
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", picture]
    command += ["-f", "lavfi", "-i", f"sine=f=440:r=48000:d={SECONDS}"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", str(2 * FPS)]
    command += ["-sc_threshold", "0", "-b:v", "5M", "-maxrate", "5M", "-bufsize", "10M"]
    command += ["-c:a", "aac", "-b:a", "96k", str(path)]
    subprocess.run(command, check=True)
    return path

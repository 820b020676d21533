"""Test pictures made once, and a gateway for each test."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.integration.gateway.rig import Rig, gateway
from tests.support.peers import program

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=10")
SOUND = ("-f", "lavfi", "-i", "sine=d=10:r=44100")
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0")
SOURCES = {
    "plain": (*PICTURE, *SOUND, *X264, "-c:a", "aac", "-ac", "2"),
    "b-frames": (*PICTURE, *SOUND, *X264, "-bf", "2", "-c:a", "aac", "-ac", "1"),
    "all-intra": (*PICTURE, *SOUND, *X264, "-g", "1", "-c:a", "aac"),
    "picture": (*PICTURE, *X264),
    "sound": (*SOUND, "-c:a", "aac", "-ac", "1"),
}
SHORT = ("-f", "lavfi", "-i", "testsrc2=s=322x182:r=25:d=6", "-f", "lavfi", "-i", "sine=d=6:r=48000")
OTHER_CODECS = {
    "hevc": (*SHORT, "-c:v", "libx265", "-preset", "ultrafast", "-g", "50", "-bf", "2", "-c:a", "aac"),
    "av1": (*SHORT, "-c:v", "libsvtav1", "-preset", "12", "-g", "50", "-c:a", "libopus"),
}


@pytest.fixture(scope="session")
def source_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The file of one of SOURCES or OTHER_CODECS, 10 s or 6 s long, encoded at its first use."""
    folder = tmp_path_factory.mktemp("sources")
    ffmpeg = program("ffmpeg", package="ffmpeg")

    def make(name: str) -> Path:
        path = folder / (f"{name}.flv" if name in SOURCES else f"{name}.mp4")
        arguments = SOURCES.get(name) or OTHER_CODECS[name]
        if not path.exists():
            command = [ffmpeg, "-nostdin", "-v", "error", *arguments, str(path)]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return path

    return make


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with gateway(tmp_path) as running:
        yield running

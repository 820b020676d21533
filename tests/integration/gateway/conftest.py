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
    "picture": (*PICTURE, *X264),
    "sound": (*SOUND, "-c:a", "aac", "-ac", "1"),
}


@pytest.fixture(scope="session")
def source_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The FLV file of one of SOURCES, 10 s long, encoded at its first use."""
    folder = tmp_path_factory.mktemp("sources")
    ffmpeg = program("ffmpeg", package="ffmpeg")

    def make(name: str) -> Path:
        path = folder / f"{name}.flv"
        if not path.exists():
            subprocess.run([ffmpeg, "-nostdin", "-v", "error", *SOURCES[name], str(path)], check=True)
        return path

    return make


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with gateway(tmp_path) as running:
        yield running

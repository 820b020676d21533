"""Real probe encodes: what this build can do on this machine, and why it refuses the rest.

A GPU is no proof of an encoder, and a listed codec is none either: each is opened and encodes frames, in a child
process with a time limit, because drivers may hang or crash: `python -m app.media.encoding.probe NAME`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from typing import Final

import av

from app.domain.encoder import CodecProbe
from app.domain.errors import ManagerError
from app.domain.ladder import FrameRate, Rendition
from app.media.encoding.children import child_environment
from app.media.encoding.codecs import OUTPUT_CODECS
from app.media.encoding.colour import BT709, Colour
from app.media.encoding.encoder import VideoEncoder

PROBED: Final = tuple(OUTPUT_CODECS)
TIME_LIMIT_S: Final = 10.0
_AT_ONCE: Final = 2
_FRAMES: Final = 12
_PICTURE: Final = Rendition("probe", 640, 360, FrameRate(30), 500_000)
_MAX_REASON: Final = 200


async def probe_all(names: Sequence[str] = PROBED, *, time_limit_s: float = TIME_LIMIT_S) -> tuple[CodecProbe, ...]:
    """One verdict for each name, in order. Bounded: two at once, `time_limit_s` each."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def in_turn(name: str) -> CodecProbe:
        async with turn:
            return await probe_in_child(name, time_limit_s=time_limit_s)

    return tuple(await asyncio.gather(*(in_turn(name) for name in names)))


async def probe_in_child(name: str, *, time_limit_s: float = TIME_LIMIT_S) -> CodecProbe:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.media.encoding.probe",
        name,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=child_environment(os.environ),
    )
    try:
        async with asyncio.timeout(time_limit_s):
            out, _ = await child.communicate()
    except TimeoutError:
        return CodecProbe(name, False, f"no answer within {time_limit_s:g} s")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return read_verdict(name, child.returncode, out)


def read_verdict(name: str, code: int | None, out: bytes) -> CodecProbe:
    """What the child's last line says; before it, drivers may have talked."""
    if code != 0:
        return CodecProbe(name, False, f"the probe crashed ({code})")
    try:
        answer = json.loads(out.splitlines()[-1])
        return CodecProbe(name, bool(answer["works"]), answer["reason"])
    except (ValueError, IndexError, KeyError, TypeError):
        return CodecProbe(name, False, "the probe gave no verdict")


def probe(name: str) -> CodecProbe:
    """Encode some frames in this process."""
    if name not in av.codecs_available:
        return CodecProbe(name, False, "not part of this build")
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture(local=False) as lines:
            packets = _encode(name)
    except (ManagerError, av.FFmpegError) as error:
        return CodecProbe(name, False, _reason(error, [text for _, _, text in lines]))
    finally:
        # Where the library may log, two threads that open encoders can wait for each other for ever: one has its
        # lock and wants the interpreter's, the other the opposite.
        av.logging.set_level(before)
    if packets != _FRAMES:
        return CodecProbe(name, False, f"{packets} of {_FRAMES} frames came out")
    return CodecProbe(name, True)


def _encode(name: str) -> int:
    encoder = VideoEncoder(_PICTURE, name=name, preset="veryfast", colour=Colour(BT709, BT709, BT709))
    count = 0
    for number in range(_FRAMES):
        frame = av.VideoFrame(_PICTURE.width, _PICTURE.height, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes((number * 16 + 16,)) * plane.buffer_size)
        frame.pts = number * 1000 // 30
        count += len(encoder.encode(frame, is_key=number == 0))
    return count + len(encoder.drain())


def _reason(error: Exception, lines: list[str]) -> str:
    """What the library said first is the cause; its exception only names the last step."""
    said = next((line.strip() for line in lines if line.strip()), None)
    return (said or str(error))[:_MAX_REASON]


def main() -> None:
    verdict = probe(sys.argv[1])
    print(json.dumps({"works": verdict.works, "reason": verdict.reason}))  # noqa: T201 - the answer to the parent


if __name__ == "__main__":
    main()

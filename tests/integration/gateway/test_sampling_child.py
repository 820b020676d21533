"""The child that decodes foreign pictures: it survives nonsense, and its gateway survives it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from app.assembly.gateway import SAMPLER_COMMAND
from app.assembly.sampler import MAX_RSS_BYTES
from app.domain.errors import Unavailable
from app.media.content import child
from app.media.content.child import SamplingChild
from app.media.content.talk import MAX_LOOK_BYTES, Look
from app.runtime.clock import monotonic
from tests.integration.gateway.rig import until
from tests.unit.media.stream_parts import audio, audio_header, video, video_header

NONSENSE = Look("a", [video_header(), video(0, key=True, body=b"x" * 999)], [audio_header(), audio(0, b"y" * 99)])


@pytest.fixture
async def sampler(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SamplingChild]:
    monkeypatch.setattr(child, "RESTART_FIRST_S", 0.0)
    running = SamplingChild(SAMPLER_COMMAND, monotonic=monotonic)
    yield running
    await running.stop()


async def test_nonsense_says_nothing_and_the_same_child_answers_the_next_look(sampler: SamplingChild) -> None:
    dice = random.Random(3)
    first = await sampler.ask(NONSENSE)
    pid = sampler.pid
    assert (first.mean, first.rms_dbfs) == (None, None)
    for _ in range(50):
        body = dice.randbytes(dice.randrange(1, 2_000))
        await sampler.ask(Look("a", [video_header(body[:40]), video(0, key=True, body=body)], [audio(0, body)]))
    assert sampler.pid == pid
    assert sampler.deaths == 0


async def test_a_child_of_a_gateway_that_holds_much_is_not_taken_for_large_itself(sampler: SamplingChild) -> None:
    held_by_parent = b"x" * (MAX_RSS_BYTES + 2**20)
    await sampler.ask(NONSENSE)
    await sampler.ask(NONSENSE)
    assert sampler.deaths == 0
    assert held_by_parent


async def test_a_child_that_hangs_is_ended_and_the_next_look_has_a_new_one(
    sampler: SamplingChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sampler.ask(NONSENSE)
    hung = sampler.pid
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    monkeypatch.setattr(child, "ANSWER_S", 0.2)
    with pytest.raises(Unavailable):
        await sampler.ask(NONSENSE)
    assert sampler.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(hung, 0)
    monkeypatch.setattr(child, "ANSWER_S", 20.0)
    await sampler.ask(NONSENSE)
    assert sampler.pid not in (None, hung)
    assert sampler.deaths == 1


async def test_a_child_that_dies_again_and_again_rests_longer_each_time() -> None:
    now_s = 0.0
    dying = SamplingChild((sys.executable, "-c", "pass"), monotonic=lambda: now_s)
    rests: list[float] = []
    for _ in range(3):
        with pytest.raises(Unavailable):
            await dying.ask(NONSENSE)
        began_s = now_s
        while dying.is_resting:
            now_s += 0.5
        rests.append(now_s - began_s)
    assert rests == [1.0, 2.0, 4.0]


async def test_a_look_that_is_too_large_is_refused_before_it_is_sent(sampler: SamplingChild) -> None:
    await sampler.ask(NONSENSE)
    pid = sampler.pid
    with pytest.raises(Unavailable):
        await sampler.ask(Look("a", [video(0, body=bytes(MAX_LOOK_BYTES + 1))]))
    assert sampler.pid == pid


async def test_it_goes_with_its_gateway() -> None:
    """Killed, a gateway can tell its child nothing."""
    script = (
        "import asyncio, sys\n"
        "from app.assembly.gateway import SAMPLER_COMMAND\n"
        "from app.media.content.child import SamplingChild\n"
        "from app.media.content.talk import Look\n"
        "async def main():\n"
        "    sampler = SamplingChild(SAMPLER_COMMAND, monotonic=lambda: 0.0)\n"
        "    await sampler.ask(Look('a'))\n"
        "    print(sampler.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    await until("its end", lambda: not _lives(pid))


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

"""Sends what a HELO streams to its RTMP server, for real; encoding runs in a thread of its own.

Leaves to others: when to send and when to try again (`streaming`), what is to be seen (`scene`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final

import structlog

from app.domain.errors import ManagerError, NotAllowed, Unavailable
from app.media.encoding.card import Card
from app.media.encoding.publish import TESTCARD, publish
from app.media.encoding.testcard import CardPlan
from app.runtime.tasks import TaskGroupKeeper
from app.simulators.helo.picture import Look, OutputPlan
from app.simulators.helo.scene import Scene
from app.simulators.helo.streaming import Broken
from app.simulators.helo.unit import Output

log = structlog.get_logger("helo")

_DAY_S: Final = 86_400
"""Frames are numbered from midnight: a test card counts no further than some days."""

_AHEAD_ITEMS: Final = 8
"""Few: what the camera shows must not be seconds old."""

OnLive = Callable[[int], None]
OnBroken = Callable[[int, Broken], None]


class Sender:
    """One output at a time. `on_live` and `on_broken` are called on the loop, with the output's generation.

    `clock`: seconds of the wall clock, the same for units that film the same scene. `tls`: for rtmps.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        on_live: OnLive,
        on_broken: OnBroken,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._clock = clock
        self._on_live = on_live
        self._on_broken = on_broken
        self._tls = tls
        self._generation: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._tasks = TaskGroupKeeper(on_crash=_crashed)
        self._scene: Scene | None = None
        self._look = Look()

    def settle(self, output: Output | None, look: Look) -> None:
        """Make what is sent what ought to be."""
        generation = None if output is None else output.generation
        self._look = look
        if self._scene is not None:
            self._scene.look = look
        if generation == self._generation:
            return
        self._generation = generation
        if self._task is not None:
            self._task.cancel()
        self._task = None if output is None else self._tasks.start(self._send(output), name="helo output")

    async def close(self) -> None:
        self._task = self._generation = None
        await self._tasks.close()

    def _draw(self, plan: OutputPlan) -> Scene:
        """Raises ValueError for a size that no card can have."""
        first = int(self._clock() % _DAY_S * plan.rate.num / plan.rate.den)
        scene = Scene(Card(plan.width, plan.height, plan.rate), first)
        scene.look = self._look
        return scene

    async def _send(self, output: Output) -> None:
        try:
            self._scene = scene = self._draw(output.plan)
            await publish(
                TESTCARD,
                output.plan.url,
                output.plan.key,
                card=_card_plan(output.plan),
                drawn=scene,
                ahead_items=_AHEAD_ITEMS,
                tls=self._tls,
                on_live=lambda: self._on_live(output.generation),
            )
        except ManagerError as error:
            log.info("the simulated unit's stream ended", reason=error.detail)
            self._on_broken(output.generation, _why(error))
        except ValueError as error:  # an odd or tiny size: the profile cannot be encoded
            log.info("the simulated unit cannot encode its profile", reason=str(error))
            self._on_broken(output.generation, Broken.REFUSED)


def _crashed(name: str, error: BaseException) -> None:
    log.error("a part of the simulated unit failed", part=name, error=repr(error))


def _card_plan(plan: OutputPlan) -> CardPlan:
    return CardPlan(
        width=plan.width,
        height=plan.height,
        rate=plan.rate,
        video_bps=plan.video_bps,
        audio_bps=plan.audio_bps,
        keyframe_interval_ms=plan.keyframe_interval_ms,
    )


def _why(error: ManagerError) -> Broken:
    if isinstance(error, NotAllowed):
        return Broken.REFUSED
    if isinstance(error, Unavailable) and isinstance(error.__cause__, socket.gaierror):
        return Broken.NO_SUCH_NAME
    return Broken.UNREACHABLE

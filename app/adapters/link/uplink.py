"""The end of the link that a gateway or node holds: dials control for ever, carries orders down and facts up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp
import structlog

from app.adapters.link.facts import FactQueue
from app.adapters.link.frames import (
    MAX_FRAME_BYTES,
    REFUSED,
    AskClockFrame,
    ClockFrame,
    DoneFrame,
    FactFrame,
    FailedFrame,
    Frame,
    FrameError,
    HelloFrame,
    OrderFrame,
    UnknownFrame,
    WelcomeFrame,
    read,
    write,
)
from app.domain.errors import ManagerError, NotLeading
from app.domain.link import Fact, Hello, Order
from app.domain.secret import Secret
from app.runtime.clock import utc_now

BACKOFF_FIRST_S: Final = 0.2
BACKOFF_MAX_S: Final = 1.0
"""A dial costs little, and control back from a restart should hear of everything at once."""
REFUSED_S: Final = 5.0
"""To the next try after control sent this peer away: only an operator, or the other one's end, changes that."""
FAILURES_AT_START: Final = 5
"""Dials that may fail before the first link and are no fault: control starts together with its peers."""
STARTING: Final = "control is not there yet"
PING_S: Final = 5.0
DIAL_S: Final = 5.0
MAX_ORDERS_WAITING: Final = 512

_REFUSED_AT_THE_DOOR: Final = (
    "the link token is not control's; set ENCMAN_LINK_TOKEN to the same value on every machine"
)
_ENDS: Final = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)

log = structlog.get_logger()
Perform = Callable[[Order], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    socket: aiohttp.ClientWebSocketResponse
    frame: OrderFrame


@dataclass(frozen=True, slots=True)
class _End:
    """Of one dial or link: why, whether control was of no use, and whether it sent this peer away."""

    reason: str
    failed: bool = False
    refused: bool = False


class WebSocketUplink:
    """Implements `Uplink`. `control_url` is control's base URL, http or https; or several with commas between, of
    which one lets peers in: they are tried in turn.

    Remembers the highest epoch it has heard of: what a control says under an older one is refused, its link ended.
    `jitter` gives numbers in [0, 1): it spreads the dials of a fleet whose control came back.
    """

    def __init__(self, *, control_url: str, token: Secret, jitter: Callable[[], float] = random.random) -> None:
        self._urls = tuple(url.strip().rstrip("/") + "/link" for url in control_url.split(",") if url.strip())
        self._at = 0
        self._epoch = 0
        self._token = token
        self._jitter = jitter
        self._facts = FactQueue()
        self._news = asyncio.Event()
        self._orders: asyncio.Queue[_Waiting] = asyncio.Queue(MAX_ORDERS_WAITING)
        self._performing = asyncio.Lock()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._was_up = False
        self._told: str | None = None

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def tell(self, fact: Fact) -> None:
        self._facts.put(fact)
        self._news.set()

    async def run(self, hello: Callable[[], Hello], perform: Perform) -> None:
        """Runs until cancelled."""
        worker = asyncio.create_task(self._perform_all(perform), name="link-orders")
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
                await self._dial_for_ever(session, hello)
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)

    async def _dial_for_ever(self, session: aiohttp.ClientSession, hello: Callable[[], Hello]) -> None:
        failures = 0
        while True:
            end = await self._try(session, hello)
            failures = failures + 1 if end.failed else 0
            rounds, rest = divmod(failures, len(self._urls))
            pause_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(rounds, 8)) * (0.5 + self._jitter() / 2)
            if end.refused:
                pause_s = REFUSED_S
            elif rest:
                pause_s = 0.0  # the next address may be the one that leads
            tell, event = self._news_of(rounds, refused=end.refused)
            # The name of an error would frighten people at a start at which all is well.
            why = {} if event == STARTING else {"reason": end.reason, "dropped_facts": self._facts.dropped}
            tell(event, **why, retry_s=round(pause_s, 2))
            await asyncio.sleep(pause_s)

    async def _try(self, session: aiohttp.ClientSession, hello: Callable[[], Hello]) -> _End:
        try:
            end = await self._one_link(session, hello)
        except aiohttp.WSServerHandshakeError as error:
            refused = error.status == HTTPStatus.UNAUTHORIZED
            end = _End(_REFUSED_AT_THE_DOOR if refused else f"{type(error).__name__}: {error}", True, refused)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            end = _End(f"{type(error).__name__}: {error}", True)
        else:
            if not end.failed or end.refused:
                return end  # control is there: the same one is dialled again
        self._at = (self._at + 1) % len(self._urls)
        return end

    def _news_of(self, failures: int, *, refused: bool) -> tuple[Callable[..., object], str]:
        """How to log it, and as what. A control that is away for an hour is told once, not a thousand times."""
        event = "control refuses this peer" if refused else "link down"
        if not self._was_up and not refused and failures < FAILURES_AT_START:
            event = STARTING
        if event == self._told:
            return log.debug, event
        self._told = event
        return log.error if refused else log.info, event

    async def _one_link(self, session: aiohttp.ClientSession, hello: Callable[[], Hello]) -> _End:
        """One connection from dial to end.

        Raises ClientError, OSError, TimeoutError.
        """
        # Not wait_for: before Python 3.12 it loses a cancellation that meets the end of what it waits for.
        async with asyncio.timeout(DIAL_S):
            socket = await session.ws_connect(
                self._urls[self._at],
                headers={"Authorization": f"Bearer {self._token.reveal()}"},
                heartbeat=PING_S,
                max_msg_size=MAX_FRAME_BYTES,
            )
        sender: asyncio.Task[None] | None = None
        try:
            # An order of the last link that is still being performed must be over, or the hello misses its result.
            async with self._performing:
                self._facts.forget_readings()
                await socket.send_str(write(HelloFrame(hello())))
            self._socket = socket
            self._was_up, self._told = True, None
            log.info("link up")
            sender = asyncio.create_task(self._send_facts(socket), name="link-facts")
            reason = await self._read(socket)
            refused = socket.close_code == REFUSED
            return _End(reason, refused, refused)
        except NotLeading as error:
            return _End(error.detail, True)
        finally:
            self._socket = None
            if sender is not None:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
            await socket.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> str:
        """Reads until the link ends: why it did. Raises NotLeading when control speaks under an older epoch."""
        while (message := await socket.receive()).type not in _ENDS:
            if message.type is not aiohttp.WSMsgType.TEXT:
                return f"a {message.type.name} frame"
            try:
                frame = read(message.data)
            except FrameError as error:
                return str(error)
            if isinstance(frame, AskClockFrame):
                await socket.send_str(write(ClockFrame(frame.number, utc_now().timestamp())))
            refusal = self._accept(socket, frame)
            if refusal is not None:
                await socket.send_str(write(refusal))
            self._heed(frame)
        if message.type is aiohttp.WSMsgType.CLOSE and message.extra:
            return str(message.extra)
        return str(socket.exception() or f"closed ({socket.close_code})")

    def _is_old(self, frame: Frame) -> bool:
        epoch = frame.epoch if isinstance(frame, WelcomeFrame | OrderFrame) else None
        return epoch is not None and epoch < self._epoch

    def _heed(self, frame: Frame) -> None:
        if self._is_old(frame):
            raise NotLeading("another control has led since this one did")
        if isinstance(frame, WelcomeFrame | OrderFrame) and frame.epoch is not None:
            self._epoch = frame.epoch

    def _accept(self, socket: aiohttp.ClientWebSocketResponse, frame: Frame) -> FailedFrame | None:
        if isinstance(frame, UnknownFrame) and frame.number is not None:
            return FailedFrame(frame.number, "invalid_request", f"this version does not know the {frame.what}")
        if not isinstance(frame, OrderFrame):
            return None
        if self._is_old(frame):
            return FailedFrame(frame.number, NotLeading.code, f"epoch {frame.epoch} is over, {self._epoch} is now")
        try:
            self._orders.put_nowait(_Waiting(socket, frame))
        except asyncio.QueueFull:
            return FailedFrame(frame.number, "unavailable", "too many orders wait here")
        return None

    async def _perform_all(self, perform: Perform) -> None:
        while True:
            waiting = await self._orders.get()
            if waiting.socket.closed:
                continue  # control has already counted it as failed
            async with self._performing:
                answer = await self._perform(perform, waiting.frame)
            try:
                await waiting.socket.send_str(write(answer))
            except (aiohttp.ClientError, ConnectionError):
                log.info("answer lost with its link", order=type(waiting.frame.order).__name__)

    async def _perform(self, perform: Perform, frame: OrderFrame) -> Frame:
        try:
            await perform(frame.order)
        except ManagerError as error:
            return FailedFrame(frame.number, error.code, error.detail)
        except Exception as error:  # supervises foreign work: one bad order must not end the streams that run here
            log.exception("order crashed", order=type(frame.order).__name__)
            return FailedFrame(frame.number, ManagerError.code, f"{type(error).__name__} while performing")
        return DoneFrame(frame.number)

    async def _send_facts(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            taken = self._facts.take()
            if taken is None:
                self._news.clear()
                await self._news.wait()
                continue
            try:
                await socket.send_str(write(FactFrame(taken[1])))
            except (aiohttp.ClientError, ConnectionError):
                self._facts.give_back(*taken)
                await socket.close()
                return
            except asyncio.CancelledError:
                # Perhaps half sent on a link that is gone: told twice is better than never.
                self._facts.give_back(*taken)
                raise

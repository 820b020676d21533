"""The encoder node: tells control what this machine is and how it is, and runs worker children as ordered.

Leaves to others: the link's bytes (`Uplink`), reading the machine (`Host`), what may run (`roster`).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import Final

from app.domain.encoder import EncoderInfo, EncoderReading, WorkerReading
from app.domain.errors import InvalidRequest, NoCapacity, NotFound, Unavailable
from app.domain.ids import WorkerId
from app.domain.link import (
    BreakWorker,
    Heartbeat,
    NodeHello,
    Order,
    ReconfigureWorker,
    ReleaseStream,
    ReserveStream,
    StartWorker,
    StopWorker,
    WorkerExited,
)
from app.domain.stream import WorkerOrder
from app.media.encoding.children import WorkerChild
from app.media.encoding.codecs import PRESETS, encoder_name
from app.media.encoding.roster import Roster
from app.ports.host import Host
from app.ports.link import Uplink
from app.runtime.clock import utc_now
from app.runtime.tasks import TaskGroupKeeper

HEARTBEAT_S: Final = 0.5
_BREAKS: Final = {"kill": signal.SIGKILL, "stall": signal.SIGSTOP}

Log = Callable[[str, dict[str, object]], None]


class EncoderNode:
    """`command` starts a worker child; its parent's process id is added. `log(event, facts)` never gets a token."""

    def __init__(
        self,
        *,
        info: EncoderInfo,
        version: str,
        host: Host,
        uplink: Uplink,
        command: Sequence[str],
        log: Log = lambda event, facts: None,
    ) -> None:
        self._info = info
        self._version = version
        self._host = host
        self._uplink = uplink
        self._command = tuple(command)
        self._log = log
        self._roster = Roster(info.capabilities.max_streams)
        self._tasks = TaskGroupKeeper(self._crashed)
        self._children: dict[WorkerId, WorkerChild] = {}
        self._refused = {probe.codec: probe.reason for probe in info.capabilities.probes if not probe.works}

    async def run(self) -> None:
        """Until cancelled; then every child is stopped before it returns."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._uplink.run(self.hello, self.perform))
                tasks.create_task(self._beat())
        finally:
            await self.close()

    def hello(self) -> NodeHello:
        """Called at each connection. Control keeps places anew after it: one released while the link was down would
        otherwise be kept for ever.
        """
        self._roster.forget_reservations()
        return NodeHello(self._version, self._info, self._roster.running)

    async def close(self) -> None:
        """Stop every child and wait for it."""
        await asyncio.gather(*(child.stop("the node ends") for child in list(self._children.values())))
        await self._tasks.close()

    # --- orders -----------------------------------------------------------------------------------------

    async def perform(self, order: Order) -> None:
        """Carry one order out. Raises ManagerError: NoCapacity, Conflict, NotFound, Unavailable, InvalidRequest."""
        match order:
            case StartWorker():
                await self._start(order.order)
            case StopWorker():
                self._stop(order.worker_id, order.reason)
            case ReconfigureWorker():
                await self._child(order.worker_id).set_rates(order.encode)
            case BreakWorker():
                self._break(order)
            case ReserveStream():
                self._check(order.order)
                self._roster.reserve(order.stream_id)
            case ReleaseStream():
                self._roster.release(order.stream_id)
            case _:
                raise InvalidRequest(f"an encoder node does not perform {type(order).__name__}")

    async def _start(self, order: WorkerOrder) -> None:
        self._check(order)
        admission = self._roster.admit(order)
        if admission.already:
            return
        for worker_id in admission.replaces:
            # Not waited for: the gateway has fenced it, and the new one is urgent.
            self._stop(worker_id, f"generation {order.generation} takes over")
        try:
            child = await WorkerChild.start(
                order, command=self._command, on_exit=self._exited, on_problem=self._problem
            )
        except OSError as error:
            raise Unavailable(f"the worker process can't be started: {error}") from error
        self._children[order.worker_id] = child
        self._roster.started(order)
        self._log("worker started", _facts(order) | {"pid": child.pid})

    def _stop(self, worker_id: WorkerId, reason: str) -> None:
        """Orders of other streams must not wait for it; `WorkerExited` tells when it is done."""
        child = self._children.get(worker_id)
        if child is not None:
            self._tasks.start(child.stop(reason), name=f"stop {worker_id}")

    def _break(self, order: BreakWorker) -> None:
        """Make it fail as it would by itself: what follows is told like any other failure."""
        number = _BREAKS.get(order.how)
        if number is None:
            raise InvalidRequest(f"a worker can't be broken by {order.how}", hint=f"one of {', '.join(_BREAKS)}")
        child = self._child(order.worker_id)
        self._log("worker broken by order", _facts(child.order) | {"how": order.how})
        child.signal(number)

    def _child(self, worker_id: WorkerId) -> WorkerChild:
        child = self._children.get(worker_id)
        if child is None:
            raise NotFound(f"no worker {worker_id} runs here")
        return child

    def _check(self, order: WorkerOrder) -> None:
        name = encoder_name(order.encode.codec)
        if order.encode.preset not in PRESETS:
            raise InvalidRequest(f"unknown preset {order.encode.preset}")
        if name in self._refused:
            raise NoCapacity(f"{name} does not work on this machine: {self._refused[name]}")

    def _crashed(self, name: str, error: BaseException) -> None:
        self._log("task failed", {"task": name, "error": repr(error)})

    def _problem(self, child: WorkerChild, text: str) -> None:
        self._log("source problem", _facts(child.order) | {"problem": text})

    def _exited(self, child: WorkerChild, code: int, reason: str) -> None:
        order = child.order
        self._children.pop(order.worker_id, None)
        self._roster.ended(order.worker_id)
        self._host.forget_process(child.pid)
        self._uplink.tell(
            WorkerExited(
                worker_id=order.worker_id,
                stream_id=order.stream_id,
                generation=order.generation,
                at=utc_now(),
                exit_code=code,
                reason=reason,
            )
        )
        self._log("worker exited", _facts(order) | {"exit_code": code, "reason": reason})

    # --- heartbeat --------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            self._uplink.tell(Heartbeat(self.read()))
            await asyncio.sleep(HEARTBEAT_S)

    def read(self) -> EncoderReading:
        machine = self._host.read()
        children = list(self._children.values())
        for child in children:
            child.watch(self._host)
        return EncoderReading(
            cpu_percent=machine.cpu_percent,
            memory_percent=machine.memory_percent,
            temperature_c=machine.temperature_c,
            slowdown_c=machine.slowdown_c,
            is_throttled=machine.is_throttled,
            fan_rpm=machine.fan_rpm,
            gpu_percent=machine.gpu_percent,
            network_bps=machine.network_bps,
            disk_free_bytes=machine.disk_free_bytes,
            disk_percent=machine.disk_percent,
            workers=tuple(_worker_reading(child) for child in children),
        )


def _worker_reading(child: WorkerChild) -> WorkerReading:
    order, figures, process = child.order, child.figures, child.reading
    return WorkerReading(
        worker_id=order.worker_id,
        stream_id=order.stream_id,
        generation=order.generation,
        cpu_percent=process.cpu_percent if process is not None else None,
        rss_bytes=process.rss_bytes if process is not None else None,
        frames_encoded=figures.frames_encoded if figures is not None else 0,
        frames_dropped=figures.frames_dropped if figures is not None else 0,
        speed=figures.speed if figures is not None else None,
        latency_ms=figures.latency_ms if figures is not None else None,
        codec=figures.codec if figures is not None else None,
    )


def _facts(order: WorkerOrder) -> dict[str, object]:
    return {"stream": order.stream_id, "worker": order.worker_id, "generation": order.generation}

"""A simulated HELO without sockets, and a clock that is moved by hand."""

from __future__ import annotations

from typing import Any

from app.domain.secret import Secret
from app.simulators.helo.faults import Faults
from app.simulators.helo.quirks import Quirks, Timing
from app.simulators.helo.scenarios import Stage, play
from app.simulators.helo.sessions import Sessions
from app.simulators.helo.states import Command
from app.simulators.helo.unit import Unit
from app.simulators.helo.world import Ingest
from app.simulators.helo.writes import Written, write

TIMING = Timing(command_s=1.5, retry_s=3.0, preset_s=1.0, down_s=60.0, boot_s=8.0, mount_s=2.0)
NOON_S = 1_800_000_000.0


class Scene:
    """`now` begins at 100 s. The server takes every stream unless `ingest` says something else."""

    def __init__(self, *, ingest: Ingest = Ingest.TAKES, quirks: Quirks | None = None, **options: Any) -> None:
        self.now = 100.0
        self.unit = Unit(now=self.now, epoch_s=NOON_S, timing=TIMING, quirks=quirks, **options)
        self.unit.world.ingest = ingest
        self.faults = Faults()
        self.sessions = Sessions(Secret("x"), None)

    def wait(self, seconds: float) -> None:
        """Time passes in steps, as the doer makes them: when something is due, a second at most."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, max(self.now + 0.001, self.unit.due(self.now)))
            self.unit.tick(self.now)

    def get(self, name: str) -> str:
        return self.unit.memory.get(name)

    def put(self, name: str, value: str | int) -> Written:
        written = write(self.unit, name, str(value), self.now)
        self.unit.tick(self.now)
        return written

    def play(self, name: str, **how: object) -> None:
        play(Stage(self.unit, self.faults, self.sessions, self.now), name, how)
        self.unit.tick(self.now)

    def order(self, command: Command) -> None:
        self.put("ReplicatorCommand", command)

    def aim(self) -> None:
        self.put("StreamType", 0)
        self.put("RTMPServerURL", "rtmp://ingest.example/live")
        self.put("RTMPStreamName", "key")

    def stream(self) -> None:
        """Streaming, from now on."""
        self.aim()
        self.order(Command.START_STREAMING)
        self.wait(TIMING.command_s)
        assert self.get("ReplicatorStreamState") == "2"

    def record(self) -> None:
        self.order(Command.START_RECORDING)
        self.wait(TIMING.command_s)
        assert self.get("ReplicatorRecordState") == "2"

    def is_on(self, alarm: str) -> bool:
        """Active alarms begin with state 1 in their first two bytes."""
        return self.get(alarm).startswith("CAE")

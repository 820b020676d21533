"""One HELO: what its parameters, engines, media, calendar and heat make of orders, time and the world. Pure.

`tick(now)` brings everything up to `now`; `due(now)` says when to call it next. `output` is what ought to be sent,
by a generation; the doer sends it and tells `live` or `broke`. Leaves to others: answering (`doors`), drawing and
sending (`output`), what a write means (`writes`), what the telemetry says (`telemetry`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from app.simulators.helo import picture, telemetry
from app.simulators.helo.heat import Heat, HeatPlan
from app.simulators.helo.memory import Memory
from app.simulators.helo.parameters import Catalogue, catalogue
from app.simulators.helo.picture import Look, OutputPlan
from app.simulators.helo.power import Power
from app.simulators.helo.presets import Presets
from app.simulators.helo.quirks import Quirks, Timing
from app.simulators.helo.recording import RecordFacts, Recording
from app.simulators.helo.scheduler import RECORD, STREAM, Scheduler
from app.simulators.helo.states import RTMP, Boot, Command, State, Stop
from app.simulators.helo.storage import Storage
from app.simulators.helo.streaming import Broken, StreamFacts, Streaming
from app.simulators.helo.world import BAD_SIGNAL, Ingest, WallClock, World

_BEAT_S: Final = 1.0
_OVER_TEMP_NOTICE_S: Final = 2.0
_NUMERIC_HOST: Final = re.compile(r"[\d.]+|.*:.*")
_SUFFIXES: Final = ("mov", "mp4", "ts")
_FULL_HD_PIXELS_S: Final = 1920 * 1080 * 50
"""More than this twice is more than the encoder has, unless both share one encoding."""


@dataclass(frozen=True, slots=True)
class Identity:
    serial: str = "9SJ0001"
    product: str = "HELO"
    firmware: str = "4.3.0.8-12r"
    mac: str = "00:0C:17:00:00:01"
    address: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Output:
    generation: int
    plan: OutputPlan


class Unit:
    """`epoch_s`: the wall clock at `now`. `limit`: largest picture that is really encoded, (width, height)."""

    def __init__(
        self,
        *,
        now: float,
        epoch_s: float,
        parameters: Catalogue | None = None,
        identity: Identity | None = None,
        quirks: Quirks | None = None,
        timing: Timing | None = None,
        heat: HeatPlan | None = None,
        limit: tuple[int, int] | None = None,
    ) -> None:
        self.quirks = quirks or Quirks()
        self.timing = timing or Timing()
        self.identity = identity or Identity()
        self.memory = Memory(parameters or catalogue())
        self.memory.tells_durations = self.quirks.tells_durations
        self.world = World()
        self.power = Power(self.timing, now)
        self.streaming = Streaming(self.timing)
        self.recording = Recording(self.timing)
        self.storage = Storage()
        self.scheduler = Scheduler()
        self.presets = Presets(self.timing)
        self.heat = Heat(heat or HeatPlan(), now)
        self.clock = WallClock(epoch_s, now)
        self.raised: set[str] = set()
        """Alarms that a scenario switched on, whatever the rest says."""
        self.alarms_shown: set[str] | None = None
        """Those whose parameters are on; None: the parameters say nothing yet."""
        self.over_temp_at: float | None = None
        self.format_changed_at: float | None = None
        """When another signal came in place of the one before."""
        self._seen_format = 0
        self._limit = limit
        self._output: Output | None = None
        self._downs_seen = 0
        self._has_booted = False
        self.memory.put("SystemName", f"aja-helo-{self.identity.serial}")
        self.tick(now)

    @property
    def output(self) -> Output | None:
        """What ought to be sent now."""
        return self._output

    @property
    def look(self) -> Look:
        return picture.look(self.memory, self.world)

    def due(self, now: float) -> float:
        moments = (self.streaming.due, self.recording.due, self.presets.due, self.power.due(now))
        return min((at for at in moments if at is not None), default=now + _BEAT_S)

    def tick(self, now: float) -> None:
        if self._downs_seen != self.power.downs:
            self._go_down()
        if self.power.boot(now) is Boot.RUNNING:
            self._run(now)
        self._warm(now)
        if self.power.is_up(now):
            telemetry.show(self, now)

    def order(self, command: Command, now: float) -> None:
        """What `ReplicatorCommand` says. A stop by hand ends an event of the calendar too.

        A unit that is still starting up does not listen.
        """
        if self.power.boot(now) is not Boot.RUNNING:
            return
        match command:
            case Command.START_STREAMING | Command.STOP_STREAMING:
                self.streaming.order(command is Command.START_STREAMING, now)
            case Command.START_RECORDING | Command.STOP_RECORDING:
                self.recording.order(command is Command.START_RECORDING, now)
            case Command.SHUT_DOWN:
                self.streaming.shut_down()
                self.recording.shut_down()
            case Command.NONE:
                return
        if command in (Command.STOP_STREAMING, Command.STOP_RECORDING):
            self.scheduler.cancel()
        self._settle_output(now)

    def live(self, generation: int, now: float) -> None:
        """The server took the output of this generation."""
        self.streaming.live(generation, now)
        self.tick(now)

    def broke(self, generation: int, why: Broken, now: float) -> None:
        """The output of this generation ended, or never began."""
        self.streaming.broke(generation, why, now, recovers=self.memory.get("AutoRecoverStreaming") == "1")
        self.tick(now)

    @property
    def is_streaming(self) -> bool:
        return self.streaming.since is not None

    @property
    def is_recording(self) -> bool:
        return self.recording.since is not None

    def stream_state(self) -> State:
        return self.streaming.state(self.stream_facts())

    def stream_facts(self) -> StreamFacts:
        memory = self.memory
        sends = memory.number("StreamType") == RTMP
        address = memory.get("RTMPServerURL")
        is_rtmp = urlsplit(address).scheme in ("rtmp", "rtmps") and bool(urlsplit(address).hostname)
        return StreamFacts(
            has_picture=picture.has_picture(memory, self.world),
            stops_without_picture=memory.number("LossOfVideoRecordBehavior") == Stop.AT_LOSS,
            is_set_up=not sends or (is_rtmp and memory.get("RTMPStreamName") != ""),
            sends=sends,
            recovers=memory.get("AutoRecoverStreaming") == "1",
            is_inhibited=self.is_in_transfer or (self.is_recording and self.is_too_much),
        )

    def record_facts(self) -> RecordFacts:
        memory = self.memory
        section = "Streaming" if memory.get("LinkProfiles") == "1" else "Recording"
        audio_bps = picture.AUDIO_BPS[memory.number(f"{section}AudioBitrate")]
        return RecordFacts(
            has_picture=picture.has_picture(memory, self.world),
            stops_without_picture=memory.number("LossOfVideoRecordBehavior") == Stop.AT_LOSS,
            is_inhibited=self.is_in_transfer or (self.streaming.is_wanted and self.is_too_much),
            medium=self.storage.at(memory.number("RecordingDestination")),
            bps=picture.video_bps(memory, self.world, section) + audio_bps,
            prefix=memory.get("FilenamePrefix"),
            suffix=_SUFFIXES[memory.number("RecordingFileType")],
            segment_s=max(1, memory.number("SegmentRecordDurationMinutes")) * 60.0,
            stops_when_slow=memory.get("RecordingDroppedFrameBhvr") == "1",
        )

    @property
    def is_in_transfer(self) -> bool:
        return self.memory.get("MediaState") == "1"

    @property
    def is_too_much(self) -> bool:
        """Whether streaming and recording together are more than the encoder has."""
        if self.memory.get("LinkProfiles") == "1":
            return False
        pictures = [picture.encoded(self.memory, self.world, name) for name in ("Streaming", "Recording")]
        return all(one.width * one.height * one.rate.fps > _FULL_HD_PIXELS_S for one in pictures)

    def _run(self, now: float) -> None:
        if not self._has_booted and not self._begin(now):
            return
        self._watch_input(now)
        enabled = self.memory.get("SchedulerEnabled") == "1"
        for turn in self.scheduler.tick(self.clock.time_s(now), is_enabled=enabled):
            if turn.activity & STREAM:
                self.streaming.order(turn.starts, now)
            if turn.activity & RECORD:
                self.recording.order(turn.starts, now)
        self.presets.tick(now, self.memory, is_busy=self.streaming.is_wanted or self.is_recording)
        self.streaming.tick(now, self.stream_facts())
        self.recording.tick(now, self.record_facts())
        self._settle_output(now)

    def _settle_output(self, now: float) -> None:
        """What the network forbids breaks at once; a new generation takes the profile as it is now."""
        generation = self.streaming.output
        trouble = self._trouble() if generation is not None and self.stream_facts().sends else None
        if generation is not None and trouble is not None:
            recovers = self.memory.get("AutoRecoverStreaming") == "1"
            self.streaming.broke(generation, trouble, now, recovers=recovers)
            generation = None
        if generation is not None and self.world.ingest is Ingest.TAKES and not self.is_streaming:
            self.streaming.live(generation, now)
        if generation is None or not self.stream_facts().sends or self.world.ingest is Ingest.TAKES:
            self._output = None
        elif self._output is None or self._output.generation != generation:
            self._output = Output(generation, picture.output_plan(self.memory, self.world, self._limit))

    def _trouble(self) -> Broken | None:
        host = urlsplit(self.memory.get("RTMPServerURL")).hostname or ""
        if not self.world.has_network or self.world.ingest is Ingest.DOWN:
            return Broken.UNREACHABLE
        if self.world.ingest is Ingest.REFUSES:
            return Broken.REFUSED
        if not self.world.names_resolve and not _NUMERIC_HOST.fullmatch(host):
            return Broken.NO_SUCH_NAME
        if self.world.network_is_slow and self.memory.get("StreamingDroppedFrameBhvr") == "1":
            return Broken.TOO_SLOW
        return None

    def _go_down(self) -> None:
        """A restart begins: everything stops, and only what is stored stays."""
        self._downs_seen = self.power.downs
        self._has_booted = False
        self.streaming.reset()
        self.recording.reset()
        self.presets.reset()
        self.scheduler.reset()
        self.memory.restart()
        self.over_temp_at = self._output = self.alarms_shown = None

    def _begin(self, now: float) -> bool:
        """The unit has started up. False: only to go down again."""
        self._has_booted = True
        if self.power.loops_left > 0:
            self.power.loops_left -= 1
            self.power.restart(now)
            self._go_down()
            return False
        by_calendar = self.memory.get("SchedulerEnabled") == "1"
        wanted = 0 if by_calendar else self.memory.number("PowerUpState")
        if wanted & STREAM:
            self.streaming.order(True, now)
        if wanted & RECORD:
            self.recording.order(True, now)
        return True

    def _watch_input(self, now: float) -> None:
        found = picture.input_format(self.memory, self.world)
        if found != self._seen_format:
            if self._seen_format > BAD_SIGNAL and found > BAD_SIGNAL:
                self.format_changed_at = now
            self._seen_format = found

    def _warm(self, now: float) -> None:
        is_on = self.power.is_up(now)
        degrees = self.heat.advance(now, is_on=is_on, streams=self.is_streaming, records=self.is_recording)
        if not is_on:
            return
        if self.over_temp_at is None and degrees >= self.heat.plan.shutdown_c:
            self.over_temp_at = now
        elif self.over_temp_at is not None and now >= self.over_temp_at + _OVER_TEMP_NOTICE_S:
            self.power.off()
            self._go_down()

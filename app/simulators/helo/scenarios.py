"""Everything that can happen to a HELO, by name: what a test or a person asks for in one line.

Leaves to others: what follows from it (`unit`, `doors`), how a name and words become a call (`stage`).
"""

from __future__ import annotations

from dataclasses import replace

from app.domain.secret import Secret
from app.simulators.helo.stage import Stage, catalogue, play, scenario
from app.simulators.helo.world import BAD_SIGNAL, FULL_HD_30, LOST_CLOCK_S, NO_SIGNAL, Event, Ingest, Show

__all__ = ["Stage", "catalogue", "play"]

# --- the input


@scenario
def input_lost(stage: Stage) -> None:
    """The cables of both inputs are pulled."""
    stage.unit.world.sdi_format = stage.unit.world.hdmi_format = NO_SIGNAL


@scenario
def input_back(stage: Stage, *, hdmi: int = FULL_HD_30, sdi: int = NO_SIGNAL) -> None:
    """Signals are there again, by the device's format codes."""
    stage.unit.world.hdmi_format, stage.unit.world.sdi_format = hdmi, sdi


@scenario
def input_unusable(stage: Stage) -> None:
    """Something is on the inputs, but no picture that can be used."""
    stage.unit.world.sdi_format = stage.unit.world.hdmi_format = BAD_SIGNAL


@scenario
def picture(stage: Stage, *, shows: str = "card") -> None:
    """What the camera gives: card, freeze, black or bars; the device sees no fault in any of them."""
    stage.unit.world.show = Show(shows)


@scenario
def silence(stage: Stage, *, on: bool = True) -> None:
    """The input has no sound."""
    stage.unit.world.has_sound = not on


# --- the network and the server


@scenario
def ingest(stage: Stage, *, behaves: str = "real") -> None:
    """The RTMP server: real (it is dialled), takes (nothing is sent), refuses (a wrong key), or down."""
    stage.unit.world.ingest = Ingest(behaves)


@scenario
def names(stage: Stage, *, resolve: bool = False) -> None:
    """Host names are not found any more, or again; addresses always are."""
    stage.unit.world.names_resolve = resolve


@scenario
def network(stage: Stage, *, on: bool = False, slow: bool = False, link_errors: int = 0) -> None:
    """The cable is out (nothing answers, streams break), in again, or carries too little."""
    world = stage.unit.world
    world.has_network, world.network_is_slow = on, slow
    world.link_errors += link_errors


@scenario
def bitrate_limit(stage: Stage, *, kbps: int = 0) -> None:
    """The unit takes no more than this, and uses less than it was told; 0: it takes all."""
    stage.unit.world.most_kbps = kbps or None


# --- the web server


@scenario
def slow_answers(stage: Stage, *, seconds: float = 0.0) -> None:
    """Each answer takes this long."""
    stage.faults.delay_s = seconds


@scenario
def hang(stage: Stage, *, on: bool = True) -> None:
    """Connections are taken and nothing is ever answered; the stream goes on."""
    stage.faults.hangs = on


@scenario
def cut_answers(stage: Stage, *, on: bool = True) -> None:
    """Each answer ends in the middle."""
    stage.faults.cuts_answers = on


@scenario
def nonsense(stage: Stage, *, on: bool = True) -> None:
    """Answers are no JSON."""
    stage.faults.speaks_nonsense = on


@scenario
def not_found_burst(stage: Stage, *, requests: int = 5) -> None:
    """So many requests are answered with 404, whoever asks."""
    stage.faults.not_found_left = requests


@scenario
def sessions_expire(stage: Stage) -> None:
    """Everybody has to log in again."""
    stage.sessions.expire()


@scenario
def password(stage: Stage, *, is_now: str = "") -> None:
    """Somebody changed the password; empty: none is wanted."""
    stage.sessions.change_password(Secret(is_now))
    stage.unit.memory.put("Authentication", int(is_now != ""))


@scenario
def well(stage: Stage) -> None:
    """Every fault of web server, network, input, server and media is over; settings stay as they are."""
    world = stage.unit.world
    stage.faults.clear()
    stage.unit.raised.clear()
    world.has_network, world.network_is_slow, world.names_resolve, world.most_kbps = True, False, True, None
    world.hdmi_format, world.show, world.has_sound = FULL_HD_30, Show.CARD, True
    if world.ingest is not Ingest.TAKES:
        world.ingest = Ingest.REAL
    stage.unit.heat.ambient_c, stage.unit.heat.extra_c = stage.unit.heat.plan.ambient_c, 0.0


# --- media


@scenario
def medium(
    stage: Stage,
    *,
    place: str = "sd",
    free_percent: float = -1.0,
    is_formatted: bool = True,
    is_damaged: bool = False,
    is_supported: bool = True,
    is_locked: bool = False,
    is_slow: bool = False,
    name_fails: bool = False,
) -> None:
    """How the medium in that place is; a negative share of free space leaves it as it is."""
    found = stage.medium(place)
    if free_percent >= 0:
        found.free = min(100.0, free_percent) / 100
    found.is_formatted, found.is_damaged, found.is_supported = is_formatted, is_damaged, is_supported
    found.is_locked, found.is_slow, found.name_fails = is_locked, is_slow, name_fails


@scenario
def medium_pulled(stage: Stage, *, place: str = "sd") -> None:
    """It is not there any more; pulled while recording only a restart helps."""
    stage.medium(place).is_present = False


@scenario
def medium_inserted(stage: Stage, *, place: str = "sd", mounts_after_s: float = -1.0) -> None:
    """It is there, and ready after its time to mount; negative: the usual time. A share may take minutes."""
    found = stage.medium(place)
    after_s = mounts_after_s if mounts_after_s >= 0 else stage.unit.timing.mount_s
    found.is_present, found.mounted_at = True, stage.now + after_s


# --- heat and power


@scenario
def air(stage: Stage, *, ambient_c: float = 23.0, extra_c: float = 0.0) -> None:
    """The room's temperature, and degrees more for another reason."""
    stage.unit.heat.ambient_c, stage.unit.heat.extra_c = ambient_c, extra_c


@scenario
def temperature(stage: Stage, *, is_c: float = 45.0) -> None:
    """The unit has this temperature now; it goes on from there."""
    stage.unit.heat.degrees_c = is_c


@scenario
def power(stage: Stage, *, on: bool = False, clock_kept: bool = True) -> None:
    """Power is cut, or back; a unit that kept no clock wakes in the year 2000."""
    if not clock_kept:
        stage.unit.clock.set(LOST_CLOCK_S, stage.now)
    if not on:
        stage.unit.power.off()
    elif stage.unit.power.is_off:
        stage.unit.power.restart(stage.now, down_s=0.0)


@scenario
def restart(stage: Stage, *, down_s: float = -1.0, safeboot: bool = False, loops: int = 0) -> None:
    """It restarts by itself, and `loops` times more as soon as it is up; negative: down for the usual time."""
    stage.unit.power.loops_left = loops
    stage.unit.power.restart(stage.now, down_s=None if down_s < 0 else down_s, safeboot=safeboot)


@scenario
def clock(stage: Stage, *, offset_s: float = 0.0) -> None:
    """The unit's clock goes wrong by this much more."""
    stage.unit.clock.epoch_s += offset_s


# --- other people, and the rest


@scenario
def somebody_writes(stage: Stage, *, parameter: str = "", value: str = "") -> None:
    """Another client changes a parameter, locked or not, by its name without prefix."""
    found = stage.unit.memory.seen(parameter)
    if found is None:
        raise ValueError(f"no parameter {parameter!r}")
    if not found.takes(value):
        raise ValueError(f"{parameter} takes no {value!r}")
    stage.unit.memory.put(parameter, value)


@scenario
def transfer_mode(stage: Stage, *, on: bool = True) -> None:
    """Somebody left it in data transfer: nothing records or streams, and nothing looks wrong."""
    stage.unit.memory.put("MediaState", int(on))


@scenario
def calendar_event(stage: Stage, *, begins_s: float = 0.0, lasts_s: float = 60.0, activity: int = 2) -> None:
    """An event of the unit's own scheduler, from now; it is switched on. 1 records, 2 streams, 3 does both."""
    begin_s = stage.unit.clock.time_s(stage.now) + begins_s
    stage.unit.scheduler.events.append(Event("Event", begin_s, begin_s + lasts_s, activity))
    stage.unit.memory.put("SchedulerEnabled", 1)


@scenario
def firmware(stage: Stage, *, version: str = "", without: str = "") -> None:
    """Another firmware runs: its version, and the parameters it does not know, separated by commas."""
    if version:
        stage.unit.identity = replace(stage.unit.identity, firmware=version)
    stage.unit.memory.hidden = frozenset(name.strip() for name in without.split(",") if name.strip())


@scenario
def preset_fails(stage: Stage) -> None:
    """The next preset that is stored, recalled or erased comes to nothing."""
    stage.unit.presets.fail_next()


@scenario
def alarm(stage: Stage, *, parameter: str = "", on: bool = True) -> None:
    """Any alarm, by its name without prefix, on or as the unit itself sees it."""
    found = stage.unit.memory.catalogue.get(parameter)
    if found is None or found.section != "alarms":
        raise ValueError(f"no alarm {parameter!r}")
    if on:
        stage.unit.raised.add(parameter)
    else:
        stage.unit.raised.discard(parameter)

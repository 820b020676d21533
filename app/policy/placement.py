"""What a stream would cost on one encoder, part by part, and what forbids it there.

Pure: one encoder as it stands and a need go in; vetoes, points and their sum come out. Who of many is chosen is
`ranking.py`'s business; who holds the reservations, and what is done when nobody can take it, is others'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from app.domain.encoder import Capabilities, CodecProbe, EncoderInfo, EncoderKind, EncoderReading, EncoderState
from app.domain.fleet import Candidate, ScorePart
from app.domain.ids import HostId
from app.domain.ladder import Ladder
from app.policy.heat import Heat, Sense, expected_c, is_plausible
from app.policy.session_cost import SessionShape

LOAD_POINTS: Final = 100.0
CPU_POINTS: Final = 30.0
MEMORY_POINTS: Final = 10.0
TEMPERATURE_POINTS: Final = 20.0
UNKNOWN_SHARE: Final = 0.5
"""What is not known counts like the middle of its range: worse than good, better than bad."""
EJECTED_POINTS: Final = 1_000.0
"""More than everything else together: only when there is no other."""
FAILURE_POINTS: Final = 15.0
"""For each worker lost here lately."""
REGION_POINTS: Final = 15.0
BUILD_POINTS: Final = 10.0
"""Another build of the media libraries than the primary's: its splice may change the parameter sets."""
DECLINE_POINTS: Final = 25.0
"""For a history that only gets worse: more than a busy CPU costs, so the stream goes elsewhere before a limit."""

SLOW_START_S: Final = 60.0
"""A newcomer's weight grows over this time, so that a returning encoder does not take everything at once."""
SLOW_START_STEPS: Final = 20
"""In steps, so that a picture of the fleet stays true for a while."""
SLOW_START_LEAST: Final = 0.05
TEMPERATURE_COOL_C: Final = 60.0
TEMPERATURE_HOT_C: Final = 80.0
"""Takes nothing new from here on, where the device has no lower limit of its own."""
TEMPERATURE_STOP_C: Final = 95.0
"""Takes nothing at all from here on, whatever the need; likewise."""
MEMORY_FULL_PERCENT: Final = 95.0
LEAST_PIXELS_PER_S: Final = 1.0
"""Cost of a stream without picture: it still takes a place."""
PLANNED_CPU_SHARE: Final = 0.8
"""Of a machine's cores: what measured sessions may fill. The rest is for peaks, audio and the node itself."""
ENCODE_KINDS: Final = frozenset({EncoderKind.SOFTWARE, EncoderKind.SIMULATED})
"""Those that encode what a publisher sends. A device has its own input and serves only who asks for one."""


class Panic(StrEnum):
    """What is done when every encoder that could take a stream is too hot."""

    LEAST_BAD = "least_bad"
    """The coolest one below the hard stop takes it."""
    REFUSE = "refuse"


class VetoCode(StrEnum):
    """Why an encoder cannot take a stream, for machines."""

    STATE = "state"
    """Not there, draining or stopped."""
    PLACES = "places"
    CAPACITY = "capacity"
    KIND = "kind"
    CODEC = "codec"
    MEMORY = "memory"
    SENSOR = "sensor"
    """It had a temperature and lost it: nobody knows how hot it is."""
    HOT = "hot"
    """It is too hot, would be with the stream, or cools down."""


@dataclass(frozen=True, slots=True)
class Veto:
    code: VetoCode
    text: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One encoder in the picture. Durations in seconds; `promised_*` counts primaries and what backups reserve.

    `heat`: what is known of its warmth; None: only the reading. `allowance`: the share of its usual weight that its
    temperature leaves it. `decline`: 0 steady to 1, how much worse its history got.
    """

    info: EncoderInfo
    state: EncoderState
    state_reason: str | None
    reading: EncoderReading | None
    here_for_s: float
    promised_pixels_per_s: float
    promised_streams: int
    failures_lately: int = 0
    ejected: str | None = None
    heat: Heat | None = None
    allowance: float = 1.0
    decline: float = 0.0
    if_lost: Mapping[HostId, float] = field(default_factory=dict)
    """Pixels per second that come here when that host is lost; the most of it is among the promised."""


@dataclass(frozen=True, slots=True)
class Need:
    pixels_per_s: float
    codec: str
    """FFmpeg's name, or `auto`."""
    region: str | None = None
    kinds: frozenset[EncoderKind] = ENCODE_KINDS
    shape: SessionShape | None = None
    """What was learned about such sessions is found by it."""
    cores: tuple[tuple[str | None, float], ...] = ()
    """Measured: by CPU model, how many cores such a session keeps busy. Elsewhere pixels per second count."""
    shares_reserve: bool = False
    """Its backup idles until it is needed: backups of streams that no one loss hits together share their room."""

    def pixels_on(self, able: Capabilities) -> float:
        """Pixels per second of the encoder's capacity that the stream takes there."""
        for model, cores in self.cores:
            if model == able.cpu_model and able.cpu_cores:
                return cores / (able.cpu_cores * PLANNED_CPU_SHARE) * able.capacity_pixels_per_s
        return self.pixels_per_s


@dataclass(frozen=True, slots=True)
class Judged:
    vetoes: tuple[Veto, ...]
    points: tuple[float, ...]
    """Of the parts of the cost."""
    cost: float
    standing: Standing
    order: tuple[bool, float, str]
    """The unfit last, then the cheapest first; equals by id."""
    only_hot_c: float | None = None
    """The temperature to expect, when heat alone speaks against it and it is below the hard stop now; the limit
    when none is known."""


def ladder_cost(ladder: Ladder) -> float:
    """Pixels per second of all renditions."""
    pixels = sum(r.width * r.height * r.frame_rate.fps for r in ladder.renditions)
    return max(pixels, LEAST_PIXELS_PER_S)


def judge(standing: Standing, need: Need) -> Judged:
    pixels = need.pixels_on(standing.info.capabilities)
    celsius = to_expect_c(standing, pixels)
    heat, others = _heat_veto(standing, celsius), _vetoes(standing, need, pixels)
    vetoes = others if heat is None else (*others, heat)
    points = _points(standing, need, pixels, celsius)
    cost = sum(points)
    order = (bool(vetoes), 0.0 if vetoes else cost, standing.info.encoder_id)
    only_hot_c = None
    if heat is not None and not others and _below_stop(standing):
        only_hot_c = _limit_c(standing) if celsius is None else celsius
    return Judged(vetoes, points, cost, standing, order, only_hot_c)


def temperature_c(standing: Standing) -> float | None:
    """Now; None when it is not known."""
    if standing.heat is not None and standing.heat.sense is not Sense.NONE:
        return standing.heat.temperature_c
    told = None if standing.reading is None else standing.reading.temperature_c
    return told if told is not None and is_plausible(told) else None


def to_expect_c(standing: Standing, added_pixels_per_s: float) -> float | None:
    """With so much more work; where nothing was learned of its warmth, the temperature of now."""
    capacity = standing.info.capabilities.capacity_pixels_per_s
    if standing.heat is None or standing.heat.sense is not Sense.WELL or capacity <= 0.0:
        return temperature_c(standing)
    return expected_c(standing.heat, added_pixels_per_s / capacity)


def weight(standing: Standing) -> float:
    """Share of the capacity that counts now: a newcomer's grows with time, a hot one's shrinks with its heat."""
    return min(1.0, max(SLOW_START_LEAST, _age_share(standing.here_for_s) * standing.allowance))


def _age_share(here_for_s: float) -> float:
    if here_for_s >= SLOW_START_S:
        return 1.0
    return int(here_for_s * SLOW_START_STEPS / SLOW_START_S) / SLOW_START_STEPS


def _limit_c(standing: Standing) -> float:
    return TEMPERATURE_HOT_C if standing.heat is None else standing.heat.limit_c


def _below_stop(standing: Standing) -> bool:
    now, stop = temperature_c(standing), TEMPERATURE_STOP_C if standing.heat is None else standing.heat.stop_c
    return now is None or now < stop


def _heat_veto(standing: Standing, expected: float | None) -> Veto | None:
    now, limit = temperature_c(standing), _limit_c(standing)
    if now is not None and now >= limit:
        return Veto(VetoCode.HOT, f"hot: {now:.0f} °C")
    if standing.allowance <= 0.0:
        return Veto(VetoCode.HOT, "takes nothing for now: it cools down, or was given many streams at once")
    if expected is not None and expected >= limit:
        return Veto(VetoCode.HOT, f"would be hot: {expected:.0f} °C are to be expected with it")
    return None


def idle_vetoes(standing: Standing) -> tuple[Veto, ...]:
    """What speaks against the encoder whatever the stream is; heat is told apart."""
    found: list[Veto] = []
    if standing.state is not EncoderState.ONLINE:
        why = standing.state_reason or "takes nothing new"
        found.append(Veto(VetoCode.STATE, f"{standing.state.value}: {why}"))
    places = standing.info.capabilities.max_streams
    if standing.promised_streams >= places:
        found.append(Veto(VetoCode.PLACES, f"all {places} places are promised"))
    memory = None if standing.reading is None else standing.reading.memory_percent
    if memory is not None and memory >= MEMORY_FULL_PERCENT:
        found.append(Veto(VetoCode.MEMORY, f"memory {memory:.0f} % full"))
    if standing.heat is not None and standing.heat.sense is Sense.LOST:
        found.append(Veto(VetoCode.SENSOR, "its temperature cannot be read any more"))
    return tuple(found)


def able_vetoes(info: EncoderInfo, need: Need) -> tuple[Veto, ...]:
    """What its make forbids, whatever its state is."""
    if info.kind not in need.kinds:
        return (Veto(VetoCode.KIND, f"an encoder of kind {info.kind.value} does not do such streams"),)
    codec = _codec_fault(info.capabilities.probes, need.codec)
    return () if codec is None else (Veto(VetoCode.CODEC, codec),)


def free(standing: Standing) -> float:
    """Pixels per second; below zero where more was promised than there is."""
    return standing.info.capabilities.capacity_pixels_per_s - standing.promised_pixels_per_s


def has_room(standing: Standing, need: Need) -> bool:
    return need.pixels_on(standing.info.capabilities) <= free(standing)


def _vetoes(standing: Standing, need: Need, pixels: float) -> tuple[Veto, ...]:
    left = free(standing)
    room: tuple[Veto, ...] = ()
    if pixels > left:
        text = f"{pixels / 1e6:.1f} Mpixel/s are needed, {max(left, 0.0) / 1e6:.1f} are free"
        room = (Veto(VetoCode.CAPACITY, text),)
    return (*idle_vetoes(standing), *room, *able_vetoes(standing.info, need))


def _codec_fault(probes: tuple[CodecProbe, ...], codec: str) -> str | None:
    """`auto` wants any H.264 encoder that was proved here."""
    if codec == "auto":
        proved = any(probe.works and "264" in probe.codec for probe in probes)
        return None if proved else "no H.264 encoder was proved to work"
    for probe in probes:
        if probe.codec == codec:
            return None if probe.works else f"{codec} does not work: {probe.reason or 'probe failed'}"
    return f"{codec} was not proved to work"


def _points(standing: Standing, need: Need, pixels: float, celsius: float | None) -> tuple[float, ...]:
    """Cost of load, CPU, memory, temperature, failures, region, decline and ejection, in this order."""
    reading = standing.reading
    load = _load(standing, pixels)
    cpu = None if reading is None else reading.cpu_percent
    memory = None if reading is None else reading.memory_percent
    return (
        LOAD_POINTS * (1.0 if load is None else load),
        CPU_POINTS * _share(cpu, 0.0, 100.0),
        MEMORY_POINTS * _share(memory, 0.0, 100.0),
        # Machines without a sensor are common; they count as warm, not as cold.
        TEMPERATURE_POINTS * _share(celsius, TEMPERATURE_COOL_C, TEMPERATURE_HOT_C),
        FAILURE_POINTS * standing.failures_lately,
        REGION_POINTS if need.region is not None and standing.info.region != need.region else 0.0,
        DECLINE_POINTS * standing.decline,
        0.0 if standing.ejected is None else EJECTED_POINTS,
    )


def candidate(judged: Judged, need: Need) -> Candidate:
    """For people: every part of the cost with what was measured, or what speaks against the encoder."""
    info = judged.standing.info
    return Candidate(
        encoder_id=info.encoder_id,
        name=info.name,
        cost=None if judged.vetoes else round(judged.cost, 2),
        parts=_parts(judged.standing, need, judged.points),
        vetoes=tuple(veto.text for veto in judged.vetoes),
    )


def _parts(standing: Standing, need: Need, points: tuple[float, ...]) -> tuple[ScorePart, ...]:
    reading = standing.reading or EncoderReading()
    pixels = need.pixels_on(standing.info.capabilities)
    region = None if need.region is None else float(standing.info.region != need.region)
    measured = (
        ("load", _load(standing, pixels)),
        ("cpu", reading.cpu_percent),
        ("memory", reading.memory_percent),
        ("temperature", to_expect_c(standing, pixels)),
        ("failures", float(standing.failures_lately)),
        ("region", region),
        ("decline", standing.decline),
        ("ejected", float(standing.ejected is not None)),
    )
    return tuple(
        ScorePart(name, value, round(cost, 2)) for (name, value), cost in zip(measured, points, strict=True)
    )


def _load(standing: Standing, pixels: float) -> float | None:
    """Share of the weighted capacity that is promised with `pixels` more."""
    capacity = standing.info.capabilities.capacity_pixels_per_s
    if capacity <= 0.0:
        return None
    return (standing.promised_pixels_per_s + pixels) / (capacity * weight(standing))


def _share(value: float | None, least: float, most: float) -> float:
    if value is None:
        return UNKNOWN_SHARE
    return max(0.0, min(1.0, (value - least) / (most - least)))


def least_points(standing: Standing) -> float:
    """The cost of a stream of no size in its own region: no stream costs less here."""
    return sum(_points(standing, _NOTHING, 0.0, to_expect_c(standing, 0.0)))


def load_points(standing: Standing, pixels: float) -> float:
    """What `pixels` more add to the cost by load alone."""
    capacity = standing.info.capabilities.capacity_pixels_per_s
    return 0.0 if capacity <= 0.0 else LOAD_POINTS * pixels / (capacity * weight(standing))


def relief_points(standing: Standing, need: Need, primary: EncoderInfo) -> float:
    """What a backup for `primary` costs less here, because it shares its room with backups for other hosts."""
    if not need.shares_reserve or not standing.if_lost or standing.info.host_id == primary.host_id:
        return 0.0
    pixels = need.pixels_on(standing.info.capabilities)
    more = standing.if_lost.get(primary.host_id, 0.0) + pixels - max(standing.if_lost.values())
    return load_points(standing, pixels - max(more, 0.0))


def is_closed(standing: Standing) -> VetoCode | None:
    """What forbids the encoder every stream now, heat included."""
    if found := idle_vetoes(standing):
        return found[0].code
    return VetoCode.HOT if _heat_veto(standing, to_expect_c(standing, 0.0)) is not None else None


_NOTHING: Final = Need(0.0, "auto")

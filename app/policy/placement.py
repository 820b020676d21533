"""Which encoders take a stream: filter out the unfit, order the rest by cost, choose a primary and a backup.

Pure: one picture of the fleet in, candidates with every part of their cost out. Who holds the reservations, and
what is done when nobody can take the stream, is others' business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter
from typing import Final

from app.domain.encoder import CodecProbe, EncoderInfo, EncoderReading, EncoderState
from app.domain.fleet import Candidate, ScorePart
from app.domain.ids import EncoderId
from app.domain.ladder import Ladder

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

SLOW_START_S: Final = 60.0
"""A newcomer's weight grows over this time, so that a returning encoder does not take everything at once."""
SLOW_START_LEAST: Final = 0.05
TEMPERATURE_COOL_C: Final = 60.0
TEMPERATURE_HOT_C: Final = 80.0
"""Takes nothing new from here on."""
TEMPERATURE_STOP_C: Final = 95.0
"""Takes nothing at all from here on, whatever the need."""
MEMORY_FULL_PERCENT: Final = 95.0
LEAST_PIXELS_PER_S: Final = 1.0
"""Cost of a stream without picture: it still takes a place."""


class Panic(StrEnum):
    """What is done when every encoder that could take a stream is too hot."""

    LEAST_BAD = "least_bad"
    """The coolest one below the hard stop takes it."""
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Standing:
    """One encoder in the picture. Durations in seconds; `promised_*` counts primaries and backups."""

    info: EncoderInfo
    state: EncoderState
    state_reason: str | None
    reading: EncoderReading | None
    here_for_s: float
    promised_pixels_per_s: float
    promised_streams: int
    failures_lately: int = 0
    ejected: str | None = None


@dataclass(frozen=True, slots=True)
class Need:
    pixels_per_s: float
    codec: str
    """FFmpeg's name, or `auto`."""
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """`primary` is None when nobody can take it, `backup` when no second encoder has room; the reasons say why."""

    primary: EncoderInfo | None
    backup: EncoderInfo | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    vetoes: tuple[str, ...]
    points: tuple[float, ...]
    """Of the parts of the cost."""
    cost: float
    standing: Standing
    order: tuple[bool, float, str]
    """The unfit last, then the cheapest first; equals by id."""
    only_hot_c: float | None = None
    """Its temperature, when that alone speaks against it and it is below the hard stop."""


def ladder_cost(ladder: Ladder) -> float:
    """Pixels per second of all renditions."""
    pixels = sum(r.width * r.height * r.frame_rate.fps for r in ladder.renditions)
    return max(pixels, LEAST_PIXELS_PER_S)


@dataclass(frozen=True, slots=True)
class Ranking:
    """All encoders, the cheapest first and the unfit last; equals by id, so that one picture gives one choice."""

    judged: tuple[_Judged, ...]
    need: Need

    def fit(self) -> Iterator[tuple[EncoderInfo, float]]:
        """Who can take the stream, with the cost, cheapest first."""
        for judged in self.judged:
            if judged.vetoes:
                return
            yield judged.standing.info, judged.cost

    def candidates(self) -> tuple[Candidate, ...]:
        """For people: every part of the costs, or what speaks against an encoder."""
        return tuple(
            Candidate(
                encoder_id=judged.standing.info.encoder_id,
                name=judged.standing.info.name,
                cost=None if judged.vetoes else round(judged.cost, 2),
                parts=_parts(judged.standing, self.need, judged.points),
                vetoes=judged.vetoes,
            )
            for judged in self.judged
        )

    def in_panic(self) -> Ranking:
        """Nobody is fit: those that only heat speaks against may take it all the same, the coolest first."""
        hot = sorted((j for j in self.judged if j.only_hot_c is not None), key=lambda j: (j.only_hot_c, j.order))
        calmed = tuple(replace(judged, vetoes=()) for judged in hot)
        return replace(self, judged=calmed + tuple(j for j in self.judged if j.only_hot_c is None))

    def first(self, limit: int) -> Ranking:
        return replace(self, judged=self.judged[:limit])

    def refusals(self) -> tuple[str, ...]:
        """Why nobody can take it, one line for each encoder."""
        if not self.judged:
            return ("no encoder is connected",)
        return tuple(f"{j.standing.info.name}: {'; '.join(j.vetoes)}" for j in self.judged if j.vetoes)


def rank(standings: tuple[Standing, ...], need: Need, *, last: Ranking | None = None) -> Ranking:
    """`last`: an earlier ranking for the same need; who stands there as the same object is not judged again."""
    known = {} if last is None or last.need != need else {id(j.standing): j for j in last.judged}
    judged = [known.get(id(standing)) or _judge(standing, need) for standing in standings]
    judged.sort(key=attrgetter("order"))
    return Ranking(tuple(judged), need)


def _judge(standing: Standing, need: Need) -> _Judged:
    heat, others, points = _heat_veto(standing.reading), _vetoes(standing, need), _points(standing, need)
    vetoes = others if heat is None else (*others, heat)
    cost = sum(points)
    order = (bool(vetoes), 0.0 if vetoes else cost, standing.info.encoder_id)
    return _Judged(vetoes, points, cost, standing, order, _only_hot_c(standing.reading, heat, others))


def _heat_veto(reading: EncoderReading | None) -> str | None:
    if reading is None or reading.temperature_c is None or reading.temperature_c < TEMPERATURE_HOT_C:
        return None
    return f"hot: {reading.temperature_c:.0f} °C"


def _only_hot_c(reading: EncoderReading | None, heat: str | None, others: tuple[str, ...]) -> float | None:
    if heat is None or others or reading is None or reading.temperature_c is None:
        return None
    return reading.temperature_c if reading.temperature_c < TEMPERATURE_STOP_C else None


def choose(ranking: Ranking) -> Choice:
    best = next(ranking.fit(), None)
    if best is None:
        return Choice(None, None, ranking.refusals())
    primary, cost = best
    backup, backup_reasons = choose_backup(ranking, primary)
    return Choice(primary, backup, (f"{primary.name} is primary: the lowest cost, {cost:.1f}", *backup_reasons))


def choose_backup(
    ranking: Ranking, primary: EncoderInfo, *, avoid: frozenset[EncoderId] = frozenset()
) -> tuple[EncoderInfo | None, tuple[str, ...]]:
    """Another host before another node of one host, then the lower cost; never the primary's node."""
    best: tuple[tuple[bool, float], EncoderInfo] | None = None
    for info, cost in ranking.fit():
        if best is not None and best[0] <= (False, cost):
            break  # whoever follows costs more, and can be on no better host
        if info.node_id == primary.node_id or info.encoder_id in avoid:
            continue
        other_build = info.capabilities.build != primary.capabilities.build
        order = (info.host_id == primary.host_id, cost + (BUILD_POINTS if other_build else 0.0))
        if best is None or order < best[0]:
            best = (order, info)
    if best is None:
        return None, ("no second encoder has room: the stream is unprotected",)
    (same_host, cost), info = best
    if same_host:
        others = any(judged.standing.info.host_id != primary.host_id for judged in ranking.judged)
        why = "no other host has room" if others else "there is no other host"
        return info, (f"{info.name} is backup on the primary's own host: {why}, cost {cost:.1f}",)
    return info, (f"{info.name} is backup on another host, cost {cost:.1f}",)


def _vetoes(standing: Standing, need: Need) -> tuple[str, ...]:
    capabilities, reading = standing.info.capabilities, standing.reading
    found: list[str] = []
    if standing.state is not EncoderState.ONLINE:
        found.append(f"{standing.state.value}: {standing.state_reason or 'takes nothing new'}")
    if standing.promised_streams >= capabilities.max_streams:
        found.append(f"all {capabilities.max_streams} places are promised")
    free = capabilities.capacity_pixels_per_s - standing.promised_pixels_per_s
    if need.pixels_per_s > free:
        found.append(f"{need.pixels_per_s / 1e6:.1f} Mpixel/s are needed, {max(free, 0.0) / 1e6:.1f} are free")
    codec = _codec_fault(capabilities.probes, need.codec)
    if codec is not None:
        found.append(codec)
    if reading is not None and reading.memory_percent is not None and reading.memory_percent >= MEMORY_FULL_PERCENT:
        found.append(f"memory {reading.memory_percent:.0f} % full")
    return tuple(found)


def _codec_fault(probes: tuple[CodecProbe, ...], codec: str) -> str | None:
    """`auto` wants any H.264 encoder that was proved here."""
    if codec == "auto":
        proved = any(probe.works and "264" in probe.codec for probe in probes)
        return None if proved else "no H.264 encoder was proved to work"
    for probe in probes:
        if probe.codec == codec:
            return None if probe.works else f"{codec} does not work: {probe.reason or 'probe failed'}"
    return f"{codec} was not proved to work"


def _points(standing: Standing, need: Need) -> tuple[float, ...]:
    """Cost of load, CPU, memory, temperature, failures, region and ejection, in this order."""
    reading = standing.reading
    load = _load(standing, need)
    if reading is None:
        cpu = memory = celsius = None
    else:
        cpu, memory, celsius = reading.cpu_percent, reading.memory_percent, reading.temperature_c
    return (
        LOAD_POINTS * (1.0 if load is None else load),
        CPU_POINTS * _share(cpu, 0.0, 100.0),
        MEMORY_POINTS * _share(memory, 0.0, 100.0),
        # Machines without a sensor are common; they count as warm, not as cold.
        TEMPERATURE_POINTS * _share(celsius, TEMPERATURE_COOL_C, TEMPERATURE_HOT_C),
        FAILURE_POINTS * standing.failures_lately,
        REGION_POINTS if need.region is not None and standing.info.region != need.region else 0.0,
        0.0 if standing.ejected is None else EJECTED_POINTS,
    )


def _parts(standing: Standing, need: Need, points: tuple[float, ...]) -> tuple[ScorePart, ...]:
    """The same points with what was measured, for people."""
    reading = standing.reading or EncoderReading()
    region = None if need.region is None else float(standing.info.region != need.region)
    measured = (
        ("load", _load(standing, need)),
        ("cpu", reading.cpu_percent),
        ("memory", reading.memory_percent),
        ("temperature", reading.temperature_c),
        ("failures", float(standing.failures_lately)),
        ("region", region),
        ("ejected", float(standing.ejected is not None)),
    )
    return tuple(
        ScorePart(name, value, round(cost, 2)) for (name, value), cost in zip(measured, points, strict=True)
    )


def _load(standing: Standing, need: Need) -> float | None:
    """Share of the capacity that is promised with the new stream in it; a newcomer's capacity grows with time."""
    capacity = standing.info.capabilities.capacity_pixels_per_s
    if capacity <= 0.0:
        return None
    weight = max(SLOW_START_LEAST, min(1.0, standing.here_for_s / SLOW_START_S))
    return (standing.promised_pixels_per_s + need.pixels_per_s) / (capacity * weight)


def _share(value: float | None, least: float, most: float) -> float:
    if value is None:
        return UNKNOWN_SHARE
    return max(0.0, min(1.0, (value - least) / (most - least)))

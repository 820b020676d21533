"""Thermal control of one encoder: which state it is in, how much it may be given, whether what runs is to leave.

Pure. Told of readings, it speaks `feed`, `tick`, `due`; `verdict` is what follows now. What is learnt from the
readings is `heat.py`'s business; who leaves first, and that not all leave at once, is the business of who asks.

Into the heat it follows at once, out of it only after a dwell, so that a temperature that swings about a limit
changes the state once. With the temperature above cool the allowance falls by a fifth for each fifth of the way
to hot; after heat it comes back by a fifth for each fifth of the cooling period.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final

from app.domain.severity import Severity
from app.policy.failover_words import Leave
from app.policy.heat import Heat, HeatLearner, Sense
from app.policy.lasting import Lasting
from app.policy.thermal_forecast import Forecast, forecast
from app.policy.thermal_limits import STEPS, ThermalLimits
from app.policy.thermal_words import Came, CoolDown, Event, Finding, Moved, Placed, Sample, ThermalState, Verdict

DWELL_S: Final = 60.0
"""So long a device must have been cool before it counts as cool."""
COOLING_PERIOD_S: Final = 60.0
STEP_S: Final = COOLING_PERIOD_S / STEPS
CRITICAL_FOR_S: Final = 5.0
BURST_MOST: Final = 100
"""Streams that an encoder is given in one cooling period: their heat is not seen before."""
LOAD_HIGH: Final = 0.75
LOAD_LOW: Final = 0.65
"""A load above the first for a dwell costs one step, until it was below the second for a dwell."""
STEP_BACK_C: Final = 3.0
"""So far below a step's own temperature it must have been for a dwell before the step is taken back."""
COOLING_MOST_S: Final = 1_800.0
"""A cool-down by hand ends after this time in a room too warm to cool down in."""
AHEAD_S: Final = 60.0
SURE: Final = 0.7
"""A hot encoder whose forecast says so surely that it will be critical so soon is left before it is."""
FALLING_C_PER_MIN: Final = -0.5
"""A critical one that falls already keeps the rest of what it has."""
WARN_AHEAD_S: Final = 300.0
WARN_SURE: Final = 0.6
WARN_FOR_S: Final = 15.0
SOON_POINTS: Final = 15.0
THROTTLED_SCORE_MOST: Final = 15.0

_HOT: Final = frozenset({ThermalState.HOT, ThermalState.CRITICAL})


class ThermalController:
    def __init__(self, limits: ThermalLimits | None = None) -> None:
        self._base = self._limits = limits or ThermalLimits()
        self._learner = HeatLearner()
        self._state = ThermalState.NO_SENSOR
        self._since: float | None = None
        """None: it was not heard yet."""
        self._reason = "it never told a temperature"
        self._sample = Sample()
        self._now = 0.0
        self._steps = 0
        """Taken by the temperature, or by a cool-down by hand."""
        self._next_step: float | None = None
        self._load_step = False
        self._lasting = Lasting()
        self._placed: deque[float] = deque(maxlen=BURST_MOST)

    # --- the grammar

    def feed(self, event: Event, now: float) -> tuple[Moved, ...]:
        self._now = now
        self._since = now if self._since is None else self._since
        match event:
            case Sample():
                self._sample = event
                if event.slowdown_c is not None:
                    self._limits = self._base.lowered(event.slowdown_c)
                self._learner.feed(event.celsius, event.load, now)
            case Placed():
                self._placed.append(now)
                return ()
            case Came():
                self._learner.came(now)
                if self._state is ThermalState.UNKNOWN:
                    return self._warm_up("it came back", now)
            case CoolDown() if self._state is ThermalState.COOLING:
                return ()  # it goes on at its own pace, however often it is wished
            case CoolDown(by):
                self._steps, self._next_step = max(self._steps, 1), now + STEP_S
                return self._enter(ThermalState.COOLING, f"cool-down ordered by {by}", now)
        return self._look(now)

    def tick(self, now: float) -> tuple[Moved, ...]:
        due = self.due
        if due is None or now < due:
            return ()
        self._now = now
        return self._look(now)

    @property
    def due(self) -> float | None:
        """A sensor grows old without a word, and steps are steps of time."""
        if self._state is ThermalState.NO_SENSOR:
            return None
        return self._now + 1.0

    # --- what follows

    def heat(self, now: float, *, waiting_load: float = 0.0) -> Heat:
        """`waiting_load`: promised to streams that do not work here yet, as a share of full load."""
        limits = self._limits
        return self._learner.heat(now, limit_c=limits.hot_c, stop_c=limits.stop_c, waiting_load=waiting_load)

    def verdict(self, now: float, *, waiting_load: float = 0.0) -> Verdict:
        """`waiting_load`: as for `heat`."""
        heat = self.heat(now, waiting_load=waiting_load)
        celsius = self._learner.last_c(now)
        known = replace(heat, temperature_c=celsius)
        next_hot = forecast(known, self._limits.hot_c)
        return Verdict(
            state=self._state,
            since=now if self._since is None else self._since,
            reason=self._reason,
            heat=heat,
            temperature_c=celsius,
            age_s=self._learner.age_s(now),
            load=self._sample.load,
            score=self._score(celsius, next_hot),
            allowance=self._allowance(heat, now),
            limits=self._limits,
            forecast=forecast(known, self._limits.critical_c) if self._state in _HOT else next_hot,
            leave=self._leave(known, now),
            shun=self._shun(celsius),
            findings=self._findings(celsius, next_hot, now),
        )

    def _allowance(self, heat: Heat, now: float) -> float:
        if self._state in _HOT or self._state is ThermalState.UNKNOWN or heat.sense is Sense.LOST:
            return 0.0
        if len(self._placed) == BURST_MOST and now - self._placed[0] < COOLING_PERIOD_S:
            return 0.0
        return round(1.0 - max(self._steps, int(self._load_step)) / STEPS, 1)

    def _leave(self, heat: Heat, now: float) -> Leave | None:
        celsius, limits, slope = heat.temperature_c, self._limits, heat.slope_c_per_min
        if celsius is not None and celsius >= limits.stop_c:
            return Leave(f"{celsius:.0f} °C, above {limits.stop_c:g} °C", must=True)
        if self._state is ThermalState.COOLING:
            load = self._sample.load
            share = self._allowance(heat, now)
            return Leave(f"{self._reason}: {share:.0%} is left to it") if load is None or load > share else None
        if celsius is None or self._state not in _HOT or (slope is not None and slope < FALLING_C_PER_MIN):
            return None
        if self._lasting.for_s("critical", CRITICAL_FOR_S, now):
            return Leave(f"{celsius:.0f} °C, above {limits.critical_c:g} °C for {CRITICAL_FOR_S:g} s")
        if self._lasting.for_s("throttled", CRITICAL_FOR_S, now):
            return Leave(f"{celsius:.0f} °C: it slows itself down for heat")
        rises = heat.slope_now_c_per_min or 0.0
        if slope is None or rises <= 0.0:
            return None
        # A jump that is over looks like a slope for a while, but not to the quicker of the two.
        ahead = forecast(replace(heat, slope_c_per_min=min(slope, rises)), limits.critical_c)
        if ahead is not None and 0.0 < ahead.in_s <= AHEAD_S and ahead.confidence >= SURE:
            return Leave(f"{celsius:.0f} °C and rising: above {limits.critical_c:g} °C in {ahead.in_s:.0f} s")
        return None

    def _shun(self, celsius: float | None) -> Leave | None:
        if self._state is ThermalState.COOLING and self._steps == STEPS:
            return Leave(f"its encoder is to cool down: {self._reason}")
        if celsius is None or (self._state not in _HOT and celsius < self._limits.stop_c):
            return None
        return Leave(
            f"its encoder {'is' if celsius >= self._limits.hot_c else 'was'} hot: {celsius:.0f} °C",
            must=celsius >= self._limits.stop_c,
        )

    def _score(self, celsius: float | None, next_hot: Forecast | None) -> float | None:
        if celsius is None:
            return None
        score = self._limits.score(celsius)
        if next_hot is not None and 0.0 < next_hot.in_s < WARN_AHEAD_S:
            score -= SOON_POINTS * next_hot.confidence * (1.0 - next_hot.in_s / WARN_AHEAD_S)
        if self._sample.is_throttled:
            score = min(score, THROTTLED_SCORE_MOST)
        return round(max(score, 0.0), 1)

    def _findings(self, celsius: float | None, next_hot: Forecast | None, now: float) -> tuple[Finding, ...]:
        limits, shown = self._limits, "unknown" if celsius is None else f"{celsius:.0f} °C"
        found: list[Finding] = []
        if self._state is ThermalState.UNKNOWN:
            found.append(Finding("sensor_lost", Severity.WARNING, self._reason))
        if self._state in _HOT:
            summary = f"{shown}, hot from {limits.hot_c:g} °C: takes nothing new"
            found.append(Finding("encoder_hot", Severity.WARNING, summary, celsius))
        if self._state is ThermalState.CRITICAL:
            summary = f"{shown}, critical from {limits.critical_c:g} °C: its streams leave"
            found.append(Finding("encoder_critical", Severity.CRITICAL, summary, celsius))
        if next_hot is not None and self._lasting.for_s("rising", WARN_FOR_S, now) and self._state not in _HOT:
            summary = f"{shown} and rising: hot in {next_hot.in_s:.0f} s, confidence {next_hot.confidence:.0%}"
            found.append(Finding("heat_forecast", Severity.WARNING, summary, celsius))
        return tuple(found)

    # --- the state

    def _look(self, now: float) -> tuple[Moved, ...]:
        heat = self.heat(now)
        celsius = self._learner.last_c(now)
        self._note(celsius, heat, now)
        self._take_load_step(now)
        moved = self._without(heat, now) if celsius is None else self._with(celsius, now)
        self._take_steps(celsius, now)
        return moved

    def _without(self, heat: Heat, now: float) -> tuple[Moved, ...]:
        if self._state is ThermalState.COOLING:
            return self._end_cooling(now, enough=heat.sense is Sense.NONE)
        if heat.sense is Sense.LOST:
            return self._enter(ThermalState.UNKNOWN, "its temperature sensor tells nothing usable any more", now)
        if self._state is ThermalState.WARMING_UP and self._steps > 0:
            return ()
        return self._enter(ThermalState.NO_SENSOR, "it never told a temperature", now)

    def _with(self, celsius: float, now: float) -> tuple[Moved, ...]:
        limits, state = self._limits, self._state
        shown = f"{celsius:.0f} °C"
        if self._lasting.for_s("critical", CRITICAL_FOR_S, now) or celsius >= limits.stop_c:
            return self._enter(ThermalState.CRITICAL, f"{shown}, critical from {limits.critical_c:g} °C", now)
        if self._lasting.for_s("throttled", CRITICAL_FOR_S, now):
            return self._enter(ThermalState.CRITICAL, f"{shown}: it slows itself down for heat", now)
        cooled = self._lasting.for_s("cool", DWELL_S, now)
        if state is ThermalState.COOLING:
            return self._end_cooling(now, enough=cooled)
        if state is ThermalState.CRITICAL and not self._lasting.for_s("calm", DWELL_S, now):
            return ()
        if state in _HOT and cooled:
            return self._warm_up(f"below {limits.cool_c:g} °C for {DWELL_S:g} s", now)
        if celsius >= limits.hot_c or state in _HOT:
            return self._enter(ThermalState.HOT, f"{shown}, hot from {limits.hot_c:g} °C", now)
        if state is ThermalState.UNKNOWN:
            return self._warm_up("its sensor tells a temperature again", now)
        if state is ThermalState.WARMING_UP and self._steps > limits.steps(celsius):
            return ()
        if celsius < limits.cool_c and (cooled or state is not ThermalState.WARM):
            return self._enter(ThermalState.COOL, f"{shown}, cool below {limits.cool_c:g} °C", now)
        return self._enter(ThermalState.WARM, f"{shown}, warm from {limits.cool_c:g} °C", now)

    def _end_cooling(self, now: float, *, enough: bool) -> tuple[Moved, ...]:
        """`enough`: it is cool, as far as anybody can tell. All steps and one cooling period are waited for."""
        lasted_s = 0.0 if self._since is None else now - self._since
        is_done = enough and self._steps == STEPS and lasted_s >= 2 * COOLING_PERIOD_S
        if not is_done and lasted_s < COOLING_MOST_S:
            return ()
        return self._warm_up("the cool-down is over", now)

    def _warm_up(self, reason: str, now: float) -> tuple[Moved, ...]:
        self._steps, self._next_step = STEPS - 1, now + STEP_S
        return self._enter(ThermalState.WARMING_UP, reason, now)

    def _enter(self, state: ThermalState, reason: str, now: float) -> tuple[Moved, ...]:
        if state is self._state:
            return ()
        # A first reading is no change.
        is_first = self._state is ThermalState.NO_SENSOR and state is not ThermalState.COOLING
        moved = () if is_first else (Moved(self._state, state, reason),)
        self._state, self._since, self._reason = state, now, reason
        return moved

    # --- what lasts

    def _note(self, celsius: float | None, heat: Heat, now: float) -> None:
        limits, load = self._limits, self._sample.load
        next_hot = forecast(heat, limits.hot_c)
        rises = next_hot is not None and next_hot.in_s <= WARN_AHEAD_S and next_hot.confidence >= WARN_SURE
        self._lasting.note("critical", celsius is not None and celsius >= limits.critical_c, now)
        self._lasting.note("calm", celsius is not None and celsius < limits.calm_c, now)
        self._lasting.note("cool", celsius is not None and celsius < limits.cool_c, now)
        self._lasting.note("throttled", bool(self._sample.is_throttled) and celsius is not None, now)
        self._lasting.note("rising", rises, now)
        self._lasting.note("load high", load is not None and load >= LOAD_HIGH, now)
        self._lasting.note("load low", load is not None and load < LOAD_LOW, now)
        step_c = limits.cool_c + self._steps * (limits.hot_c - limits.cool_c) / STEPS
        self._lasting.note("step back", celsius is not None and celsius < step_c - STEP_BACK_C, now)

    # --- the steps

    def _take_load_step(self, now: float) -> None:
        if self._load_step:
            self._load_step = not self._lasting.for_s("load low", DWELL_S, now)
        else:
            self._load_step = self._lasting.for_s("load high", DWELL_S, now)

    def _take_steps(self, celsius: float | None, now: float) -> None:
        by_heat = 0 if celsius is None else self._limits.steps(celsius)
        match self._state:
            case ThermalState.COOLING:
                if self._steps < STEPS and self._is_time(now):
                    self._steps += 1
            case ThermalState.HOT | ThermalState.CRITICAL | ThermalState.UNKNOWN:
                self._steps = STEPS
            case ThermalState.NO_SENSOR:
                self._steps = 0
            case ThermalState.WARMING_UP:
                if self._steps > by_heat and self._is_time(now):
                    self._steps -= 1
            case ThermalState.COOL | ThermalState.WARM:
                if by_heat >= self._steps:
                    self._steps, self._next_step = by_heat, None
                elif self._is_cooler(now) and self._is_time(now):
                    self._steps -= 1

    def _is_cooler(self, now: float) -> bool:
        return self._state is ThermalState.COOL or self._lasting.for_s("step back", DWELL_S, now)

    def _is_time(self, now: float) -> bool:
        if self._next_step is not None and now < self._next_step:
            return False
        self._next_step = now + STEP_S
        return True

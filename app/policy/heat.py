"""How warm an encoder is, and how warm it would become with more work.

Pure. `HeatLearner` takes one encoder's readings and learns from them how many degrees a full load brings and how
long the device takes to feel it; `Heat` is what is known now, and `expected_c` what to expect of more work. What
follows from a temperature is `thermal.py`'s business, who takes a stream is placement's.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.policy.heat_fit import TIME_CONSTANTS_S, Fit, Point, fit

STALE_S: Final = 15.0
"""A temperature older than this says nothing about now."""
PLAUSIBLE_C: Final = (1.0, 150.0)
"""Outside of it a sensor is broken. Zero is what many report that have none."""
STUCK_S: Final = 300.0
"""A figure that stands still to the last digit for so long, while the load changed by STUCK_LOAD, is no reading."""
STUCK_LOAD: Final = 0.3
DEGREES_PER_LOAD: Final = 40.0
"""From idle to full, while nothing was measured: more than most devices show."""
DEGREES_PER_LOAD_LEAST: Final = 5.0
"""No device runs as cool at work as idle: a smaller measure is trusted this far and no further."""
LOOK_AHEAD_S: Final = 120.0
"""A slope is drawn out for so long while the device's own time constant is not known."""
LOOK_AHEAD_MOST_S: Final = 300.0
"""And never longer: a room that warms up is not a straight line for ever."""
ERROR_C: Final = 2.0
"""Of what is expected, while nothing was measured."""
FAST_S: Final = 20.0
SLOW_S: Final = 80.0
"""The slope is the distance between two means of these time constants: on a ramp they lag by exactly that much."""
SWIFT_S: Final = 5.0
"""With FAST_S, the same for a slope of the last half minute."""
SLOPE_AFTER_S: Final = 60.0
"""A shorter history has no slope."""
THIN_S: Final = 10.0
"""Between two points that are kept for learning."""
POINTS_MOST: Final = 120
FIT_EVERY_S: Final = 60.0


class Sense(StrEnum):
    """Whether the temperature can be read."""

    NONE = "none"
    """It never was: most virtual machines have no sensor. Such an encoder counts as warm."""
    WELL = "well"
    LOST = "lost"
    """It was, and is not any more: nobody knows how hot the encoder is."""


@dataclass(frozen=True, slots=True)
class Heat:
    """What is known of an encoder's warmth now. `limit_c`: takes nothing that would bring it there. `stop_c`: from
    there on it takes nothing in any need.

    `temperature_c` is None when it is not known: no sensor, or a stale, stuck or implausible one; `sense` tells
    them apart. `degrees_per_load` and `time_constant_s` are measured, None while they are not.
    `coming_load`: share of full load that is there, or promised, and not felt yet.
    """

    temperature_c: float | None = None
    slope_c_per_min: float | None = None
    degrees_per_load: float | None = None
    limit_c: float = 80.0
    sense: Sense = Sense.NONE
    time_constant_s: float | None = None
    coming_load: float = 0.0
    error_c: float = ERROR_C
    """Of the expected temperature: the spread of what was measured about the fitted line."""
    slope_error_c_per_min: float | None = None
    slope_now_c_per_min: float | None = None
    """Of the last half minute: noisier, but sooner over."""
    stop_c: float = 95.0


def expected_c(heat: Heat, added_load: float) -> float | None:
    """Degrees Celsius that the encoder settles at with `added_load` more (share of its full load), on the
    pessimistic side; None when its temperature is not known.

    First-order model: what a slope still brings is slope times time constant. A slope caused by work that came
    lately and that work's own heat are the same degrees, so the greater of the two counts. Falling is not credited:
    it ends as soon as there is work again.
    """
    if heat.temperature_c is None:
        return None
    slope = max(heat.slope_c_per_min or 0.0, 0.0) / 60.0
    ahead_s = min(heat.time_constant_s or LOOK_AHEAD_S, LOOK_AHEAD_MOST_S)
    degrees = degrees_of_full_load(heat)
    rise = max(slope * ahead_s, degrees * max(heat.coming_load, 0.0))
    return heat.temperature_c + rise + degrees * added_load + heat.error_c


def degrees_of_full_load(heat: Heat) -> float:
    """Measured, else what is assumed."""
    known = heat.degrees_per_load
    return DEGREES_PER_LOAD if known is None else max(known, DEGREES_PER_LOAD_LEAST)


def is_plausible(celsius: float) -> bool:
    return math.isfinite(celsius) and PLAUSIBLE_C[0] <= celsius <= PLAUSIBLE_C[1]


class HeatLearner:
    """Of one encoder. `feed` each reading, also those without a temperature; ask `heat` at any time."""

    def __init__(self) -> None:
        self._fed: float | None = None
        self._celsius: float | None = None
        """The last plausible one, read at `_read`."""
        self._read = -math.inf
        self._is_good = False
        """Whether the last reading had it."""
        self._had_sensor = False
        self._came = -math.inf
        self._began = 0.0
        self._swift = self._fast = self._slow = self._spread = 0.0
        self._period_s: float | None = None
        self._felt: tuple[float, ...] | None = None
        """What the device feels of its load, one figure for each time constant that is tried."""
        self._load: float | None = None
        self._still_since = 0.0
        self._still_loads = (math.inf, -math.inf)
        self._points: deque[Point] = deque(maxlen=POINTS_MOST)
        self._kept = self._fitted = -math.inf
        self._fit: Fit | None = None

    def feed(self, celsius: float | None, load: float | None, now: float) -> None:
        """One reading: degrees Celsius and share of full load, 0 to 1; None: not told."""
        step_s = 0.0 if self._fed is None else max(now - self._fed, 0.0)
        self._fed = now
        self._feel(load, step_s)
        self._is_good = celsius is not None and is_plausible(celsius)
        if celsius is None or not self._is_good:
            # What never was anything but zero is no sensor; any other nonsense is a broken one.
            self._had_sensor = self._had_sensor or celsius not in (None, 0.0)
            return
        self._watch_still(celsius, now)
        self._follow(celsius, now)
        self._learn(celsius, now)

    def came(self, now: float) -> None:
        """The encoder was away and is back: its sensor is not lost before it had time to speak."""
        self._came = now

    def last_c(self, now: float) -> float | None:
        """The last temperature, for up to STALE_S; None as soon as the sensor is stuck."""
        return None if now - self._read > STALE_S or self._is_stuck() else self._celsius

    def age_s(self, now: float) -> float | None:
        """Of the last temperature; None: there never was one."""
        return None if self._celsius is None else max(now - self._read, 0.0)

    def heat(self, now: float, *, limit_c: float, stop_c: float = 95.0, waiting_load: float = 0.0) -> Heat:
        """`waiting_load`: promised to streams that do not work here yet."""
        celsius = self.last_c(now) if self._is_good else None
        if celsius is None:
            # What was told since it came, and is no temperature, speaks for itself.
            is_new = now - self._came <= STALE_S and (self._fed is None or self._fed < self._came)
            sense = Sense.LOST if self._had_sensor and not is_new else Sense.NONE
            return Heat(limit_c=limit_c, stop_c=stop_c, sense=sense)
        known = self._fit
        slope, error = self._slope()
        return Heat(
            temperature_c=celsius,
            slope_c_per_min=slope,
            degrees_per_load=None if known is None else known.degrees_per_load,
            limit_c=limit_c,
            stop_c=stop_c,
            sense=Sense.WELL,
            time_constant_s=None if known is None else known.time_constant_s,
            coming_load=self._unfelt() + waiting_load,
            error_c=ERROR_C if known is None else known.error_c,
            slope_error_c_per_min=error,
            slope_now_c_per_min=None if slope is None else (self._swift - self._fast) / (FAST_S - SWIFT_S) * 60.0,
        )

    # --- what it remembers

    def _feel(self, load: float | None, step_s: float) -> None:
        if load is None:
            self._load = None
            return
        before = self._felt
        if before is None:
            self._felt = tuple(load for _ in TIME_CONSTANTS_S)
        else:
            # The load of the step that ends now, not the one that begins.
            held = load if self._load is None else self._load
            self._felt = tuple(
                felt + (held - felt) * -math.expm1(-step_s / constant_s)
                for felt, constant_s in zip(before, TIME_CONSTANTS_S, strict=True)
            )
        self._load = load

    def _watch_still(self, celsius: float, now: float) -> None:
        if celsius != self._celsius:
            self._still_since, self._still_loads = now, (math.inf, -math.inf)
        if self._felt is not None and self._load is not None:
            felt = self._felt[-1]  # the slowest: no device feels less of a change
            self._still_loads = (min(self._still_loads[0], felt), max(self._still_loads[1], felt))

    def _is_stuck(self) -> bool:
        least, most = self._still_loads
        return self._read - self._still_since >= STUCK_S and most - least >= STUCK_LOAD

    def _follow(self, celsius: float, now: float) -> None:
        gap_s = now - self._read
        self._had_sensor = True
        if self._celsius is None or gap_s > STALE_S:
            self._began, self._spread, self._period_s = now, 0.0, None
            self._swift = self._fast = self._slow = celsius
        elif gap_s > 0.0:
            self._swift += (celsius - self._swift) * -math.expm1(-gap_s / SWIFT_S)
            self._fast += (celsius - self._fast) * -math.expm1(-gap_s / FAST_S)
            self._slow += (celsius - self._slow) * -math.expm1(-gap_s / SLOW_S)
            share = -math.expm1(-gap_s / SLOW_S)
            line = self._fast + (self._fast - self._slow) * FAST_S / (SLOW_S - FAST_S)
            self._spread += ((celsius - line) ** 2 - self._spread) * share
            self._period_s = gap_s if self._period_s is None else self._period_s + (gap_s - self._period_s) * share
        self._celsius, self._read = celsius, now

    def _slope(self) -> tuple[float | None, float | None]:
        """With its standard error, both in °C/min; that of a straight line through as many readings."""
        if self._read - self._began < SLOPE_AFTER_S or self._period_s is None:
            return None, None
        slope = (self._fast - self._slow) / (SLOW_S - FAST_S) * 60.0
        span_s = 2.0 * SLOW_S
        readings = max(span_s / self._period_s, 2.0)
        return slope, math.sqrt(self._spread * 12.0 / readings) / span_s * 60.0

    def _learn(self, celsius: float, now: float) -> None:
        if self._felt is None or self._load is None or now - self._kept < THIN_S:
            return
        self._kept = now
        self._points.append(Point(celsius, self._felt))
        if now - self._fitted >= FIT_EVERY_S:
            self._fitted = now
            # Hours of steady work teach nothing new: what was learnt stays until something else is.
            self._fit = fit(tuple(self._points)) or self._fit

    def _unfelt(self) -> float:
        if self._felt is None or self._load is None:
            return 0.0
        constant_s = LOOK_AHEAD_S if self._fit is None else self._fit.time_constant_s
        nearest = min(range(len(TIME_CONSTANTS_S)), key=lambda index: abs(TIME_CONSTANTS_S[index] - constant_s))
        return max(self._load - self._felt[nearest], 0.0)

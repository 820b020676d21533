"""How warm encoders are, as clients are told."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from pydantic import Field

from app.api.registry import Answer
from app.domain.ids import EncoderId
from app.policy.thermal_words import Verdict


class ThermalForecastView(Answer):
    limit_c: float = Field(description="degrees Celsius that are reached, if it goes on like this")
    in_s: float
    confidence: float = Field(description="0, a guess, to 1")


class ThermalLimitsView(Answer):
    """Degrees Celsius; lower than set where the device slows itself down earlier."""

    cool_c: float = Field(description="well again below, for 60 s")
    hot_c: float = Field(description="takes nothing new from here")
    critical_c: float = Field(description="what runs leaves by planned switches")
    stop_c: float = Field(description="what runs leaves at any cost")


class ThermalView(Answer):
    """One encoder. What is not known is null, never zero."""

    encoder_id: str
    state: str = Field(
        description="no_sensor, unknown (it had a sensor), cool, warm, hot, critical, cooling (by hand), warming_up"
    )
    reason: str
    for_s: float = Field(description="since it is in this state")
    temperature: float | None = Field(description="degrees Celsius")
    age_s: float | None = Field(description="of the last temperature; after 15 s it is not known any more")
    score: float | None = Field(description="100 cool, 50 at the hot limit, 0 at the hard stop")
    load: float | None = Field(description="share of its full load, 0 to 1")
    allowance: float = Field(description="share of its capacity that it may be given: 1 down to 0 in steps of 0.2")
    slope_c_per_min: float | None
    degrees_per_load: float | None = Field(description="measured, from idle to full; null: not learned yet")
    time_constant_s: float | None = Field(description="measured: how slowly it follows its load")
    forecast: ThermalForecastView | None = Field(description="of the next limit; null: none is in sight")
    limits: ThermalLimitsView
    leaving: str | None = Field(description="why its streams are to leave")

    @classmethod
    def of(cls, encoder_id: EncoderId, verdict: Verdict, now: float) -> ThermalView:
        """`now` in monotonic seconds."""
        heat, ahead, limits = verdict.heat, verdict.forecast, verdict.limits
        return cls(
            encoder_id=encoder_id,
            state=verdict.state,
            reason=verdict.reason,
            for_s=round(max(now - verdict.since, 0.0), 1),
            temperature=verdict.temperature_c,
            age_s=_rounded(verdict.age_s),
            score=verdict.score,
            load=_rounded(verdict.load),
            allowance=verdict.allowance,
            slope_c_per_min=_rounded(heat.slope_c_per_min),
            degrees_per_load=_rounded(heat.degrees_per_load),
            time_constant_s=heat.time_constant_s,
            forecast=None
            if ahead is None
            else ThermalForecastView(
                limit_c=ahead.limit_c, in_s=round(ahead.in_s, 1), confidence=round(ahead.confidence, 2)
            ),
            limits=ThermalLimitsView(
                cool_c=limits.cool_c, hot_c=limits.hot_c, critical_c=limits.critical_c, stop_c=limits.stop_c
            ),
            leaving=None if verdict.leave is None else verdict.leave.cause,
        )


class ThermalStatus(Answer):
    at: datetime
    by_state: dict[str, int]
    hottest: str | None = Field(description="id of the encoder; null: no temperature is known")
    encoders: list[ThermalView]

    @classmethod
    def of(cls, at: datetime, views: list[ThermalView]) -> ThermalStatus:
        known = [view for view in views if view.temperature is not None]
        hottest = max(known, key=lambda view: view.temperature or 0.0, default=None)
        return cls(
            at=at,
            by_state=dict(Counter(view.state for view in views)),
            hottest=None if hottest is None else hottest.encoder_id,
            encoders=views,
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)

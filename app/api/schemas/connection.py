"""How good the connection to an encoder is, as clients see it."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from app.api.registry import Answer
from app.domain.fleet import EncoderMetrics


class PatternView(Answer):
    name: str = Field(description="periodic_drops, burst_of_drops or late_words")
    text: str
    period_s: float | None


class PredictionView(Answer):
    drop_likelihood: float = Field(description="of a drop within the next hour, 0 to 1")
    drop_in_s: float | None = Field(description="where drops come like a clock; else null")


class ConnectionView(Answer):
    """null: not known."""

    health_score: float | None = Field(description="of the connection, 0 to 100")
    state: str | None
    last_reading_at: datetime | None
    up_ratio: float | None = Field(description="of the last hour, or of the time it is known, 0 to 1")
    drops_last_hour: int | None
    usual_gap_s: float | None = Field(description="between two readings")
    patterns: list[PatternView]
    prediction: PredictionView | None = Field(description="null while it was not watched long enough")
    reasons: list[str] = Field(description="what costs points")

    @classmethod
    def of(cls, metrics: EncoderMetrics | None) -> ConnectionView:
        found = None if metrics is None else metrics.connection
        foreseen = None if found is None else found.prediction
        return cls(
            health_score=found.score if found else None,
            state=metrics.state if metrics else None,
            last_reading_at=metrics.at if metrics else None,
            up_ratio=found.up_share if found else None,
            drops_last_hour=found.drops_lately if found else None,
            usual_gap_s=found.usual_gap_s if found else None,
            patterns=[PatternView(name=p.name, text=p.text, period_s=p.period_s) for p in found.patterns]
            if found
            else [],
            prediction=None
            if foreseen is None
            else PredictionView(drop_likelihood=foreseen.likelihood, drop_in_s=foreseen.in_s),
            reasons=list(found.reasons) if found else [],
        )

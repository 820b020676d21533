"""What a stream's health says of its quality: what was taken back, how its source differs from what was said."""

from __future__ import annotations

from app.domain.session import QualityHealth
from app.policy.quality_ladder import step_of, steps
from app.policy.source_doubts import source_doubts
from app.services.live_streams import LiveStream


def quality_of(stream: LiveStream) -> QualityHealth | None:
    """None: it is passed through."""
    record = stream.record
    if record.encode is None:
        return None
    asked = record.asked or record.ladder
    step = 0 if record.asked is None else step_of(asked, record.ladder)
    return QualityHealth(record.auto_quality, step, len(steps(asked)) - 1)


def doubts_of(stream: LiveStream) -> tuple[str, ...]:
    record, quality = stream.record, quality_of(stream)
    doubts = source_doubts(record.asked or record.ladder, stream.seen.source, stream.seen.reading)
    if quality is None or quality.step == 0:
        return doubts
    return (
        f"quality is taken back by {quality.step} of {quality.steps} steps: its encoder cannot keep up",
        *doubts,
    )

"""That people hear of quality that was taken back, and of its end."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.ids import StreamId
from app.domain.session import QualityHealth, StreamHealth
from app.domain.stream import StreamState
from app.policy.signs import Sign, stream_signs


def signs(quality: QualityHealth | None) -> list[Sign]:
    health = StreamHealth(
        stream_id=StreamId("str_a"),
        state=StreamState.LIVE,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        score=100.0,
        reasons=(),
        protected=True,
        primary_id=None,
        backup_id=None,
        generation=1,
        cpu_usage=None,
        dropped_frames=None,
        bitrate=None,
        source=None,
        channel=None,
        quality=quality,
    )
    return [sign for sign in stream_signs(health) if sign.name == "quality_lowered"]


@pytest.mark.parametrize(("step", "is_on"), [(0, False), (2, True)])
def test_quality_that_was_taken_back_is_a_sign_until_it_is_given_again(step: int, is_on: bool) -> None:
    (sign,) = signs(QualityHealth(True, step, 5))
    assert (sign.is_active, sign.value) == (is_on, step)
    assert f"{step} of 5" in sign.summary


def test_a_picture_that_is_not_ours_has_no_such_sign() -> None:
    assert signs(None) == []

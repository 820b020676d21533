from __future__ import annotations

import pytest

from app.domain.ladder import FrameRate


@pytest.mark.parametrize(
    ("fps", "fraction"),
    [
        (30, (30, 1)),
        (25.0, (25, 1)),
        (24.0, (24, 1)),
        (23.976, (24000, 1001)),
        (23.98, (24000, 1001)),
        (29.97, (30000, 1001)),
        (30000 / 1001, (30000, 1001)),
        (59.94, (60000, 1001)),
        (119.88, (120000, 1001)),
        (12.5, (12500, 1000)),
        (29.9, (29900, 1000)),
        (4.99, (4990, 1000)),
        (1, (1, 1)),
        (0.5, (500, 1000)),
    ],
)
def test_frame_rates_become_the_fractions_they_stand_for(fps: float, fraction: tuple[int, int]) -> None:
    rate = FrameRate.of(fps)
    assert (rate.num, rate.den) == fraction

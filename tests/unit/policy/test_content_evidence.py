"""When an encoder is left for what it does to the picture."""

from __future__ import annotations

import pytest

from app.domain.content import Fault, Finding, Side
from app.policy.content_evidence import FRESH_S, REST_S, ContentEvidence

BLACK = Finding(Fault.BLACK_PICTURE, Side.ENCODER, 5.0, "the picture is black from the encoder")


def evidence(*findings: Finding, generation: int = 1, now: float = 0.0) -> ContentEvidence:
    evidence = ContentEvidence()
    evidence.note(generation, findings, now)
    return evidence


def test_an_encoder_that_makes_a_live_source_black_is_left_while_that_is_told() -> None:
    seen = evidence(BLACK)
    assert seen.against(1, 0.0) == BLACK.detail
    assert seen.against(1, FRESH_S) == BLACK.detail
    assert seen.against(1, FRESH_S + 0.1) is None


@pytest.mark.parametrize(
    "finding",
    [
        Finding(Fault.BLACK_PICTURE, Side.SOURCE, 5.0, "black"),
        Finding(Fault.BLACK_PICTURE, Side.UNKNOWN, 10.0, "black"),
        Finding(Fault.BITRATE_VARIANCE, Side.ENCODER, 30.0, "swings"),
    ],
)
def test_what_is_not_the_encoder_s_or_hurts_nobody_is_no_ground(finding: Finding) -> None:
    assert evidence(finding).against(1, 0.0) is None


def test_what_another_worker_did_is_not_held_against_this_one() -> None:
    assert evidence(BLACK, generation=1).against(2, 0.0) is None


def test_the_next_encoder_that_does_the_same_is_not_left_soon() -> None:
    seen = evidence(BLACK)
    assert seen.against(1, 0.0) is not None
    seen.note(2, [BLACK], 20.0)
    assert seen.against(2, 20.0) is None
    seen.note(2, [BLACK], REST_S)
    assert seen.against(2, REST_S) is not None

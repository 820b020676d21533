"""What heat asks of two devices: who may take over, and why one stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.encoder import EncoderState
from app.domain.ids import EncoderId
from app.policy.device_feed import SeatSeen
from app.policy.device_heat import rests, why_it_stays
from app.policy.failover_words import Leave

NOW = 1_000.0
CRITICAL, STOP, HOT = Leave("92 °C"), Leave("96 °C", must=True), Leave("85 °C")
ON_AIR = SeatSeen(EncoderId("a"), EncoderState.ONLINE, flows=True, started_at=0.0, leave=CRITICAL, shun=CRITICAL)
OTHER = SeatSeen(EncoderId("b"), EncoderState.ONLINE, flows=True, started_at=0.0)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (SeatSeen(None), "there is no other device"),
        (replace(OTHER, shun=HOT), "b is hot too"),
        (replace(OTHER, leave=CRITICAL), "b is hot too"),
        (replace(OTHER, blind_since=0.0), "b has no signal at its input"),
        (replace(OTHER, state=EncoderState.DRAINING), "b is to be free by an operator's wish"),
        (OTHER, None),
    ],
)
def test_why_a_hot_device_stays_on_air_is_said_in_words(other: SeatSeen, why: str | None) -> None:
    assert why_it_stays(ON_AIR, other, NOW) == why


def test_of_a_device_that_nothing_is_against_or_that_sends_nothing_there_is_nothing_to_say() -> None:
    assert why_it_stays(replace(ON_AIR, leave=None), SeatSeen(None), NOW) is None
    assert why_it_stays(replace(ON_AIR, flows=False), SeatSeen(None), NOW) is None


def test_at_the_hard_stop_one_that_is_only_hot_is_fit_and_one_that_is_critical_is_not() -> None:
    at_stop = replace(ON_AIR, leave=STOP, shun=STOP)
    assert why_it_stays(at_stop, replace(OTHER, shun=HOT), NOW) is None
    assert why_it_stays(at_stop, replace(OTHER, leave=CRITICAL, shun=HOT), NOW) == "b is hot too"


def test_a_device_off_the_air_rests_only_while_the_other_one_flows() -> None:
    at_stop = replace(ON_AIR, leave=STOP)
    assert rests(at_stop, OTHER)
    assert not rests(at_stop, replace(OTHER, flows=False))
    assert not rests(ON_AIR, OTHER), "a critical one goes on as the backup"

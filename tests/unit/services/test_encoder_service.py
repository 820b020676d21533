"""What is said of an encoder that is not there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.domain.encoder import EncoderReading, EncoderState
from app.domain.ids import EncoderId
from app.policy.encoder_presence import Presence
from app.services.encoder_service import EncoderService


def service(state: EncoderState) -> EncoderService:
    member = SimpleNamespace(
        info=SimpleNamespace(encoder_id=EncoderId("enc_a")),
        arrived_at=None,
        last_heard_at=None,
        reading=EncoderReading(cpu_percent=10.0, memory_percent=20.0),
    )
    fleet: Any = SimpleNamespace(member=lambda _: member, presence=lambda *_: Presence(state, "a reason"))
    ledger: Any = SimpleNamespace(count=lambda *_: 0, totals=lambda _: (0.0, 0.0))
    nobody: Any = SimpleNamespace(url=lambda _: None)
    return EncoderService(
        fleet=fleet,
        ledger=ledger,
        streams=nobody,
        gateways=nobody,
        on_restart=lambda _: None,
        devices=nobody,
        feeds=nobody,
    )


def test_of_an_encoder_that_is_offline_no_health_is_known() -> None:
    view = service(EncoderState.OFFLINE).status(EncoderId("enc_a"))
    assert (view.score, view.score_reasons) == (None, ("unknown while it is offline",))


@pytest.mark.parametrize("state", [EncoderState.ONLINE, EncoderState.DRAINING, EncoderState.SUSPECT])
def test_of_one_that_is_there_its_last_figures_tell(state: EncoderState) -> None:
    assert service(state).status(EncoderId("enc_a")).score == 100.0

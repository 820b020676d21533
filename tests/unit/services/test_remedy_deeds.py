"""Remedies on a device: what is carried is looked at again when the command is about to go out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.errors import Conflict
from app.domain.ids import EncoderId, StreamId
from app.domain.remediation import Carried, Remedy, RemedyRun
from app.runtime.clock import utc_now
from app.services.remedy_deeds import RemedyDeeds
from tests.support.remedy_rig import Rig

A = EncoderId("a")
RUN = RemedyRun(
    id="rem_1",
    encoder_id=A,
    remedy=Remedy.CHANGE_INPUT,
    cause="device_input_lost",
    evidence=(),
    command="change to its spare input: sdi -> hdmi",
    asked_by="automation",
    began_at=utc_now(),
    is_disruptive=True,
    was="sdi",
    wanted="hdmi",
)


def carrying(*, other_flows: bool) -> tuple[Rig, RemedyDeeds]:
    rig = Rig("a")
    rig.carrying[A] = (Carried(StreamId("str_1"), is_on_air=True, flows=True, other_flows=other_flows),)
    rig.device().tell(has_input=True)
    return rig, RemedyDeeds(hardware=rig.devices.__getitem__, load=rig, spare_input=rig.spare.get)


async def test_a_device_whose_backup_ended_after_it_was_decided_is_not_disturbed() -> None:
    rig, deeds = carrying(other_flows=False)
    with pytest.raises(Conflict, match="the last that feeds str_1"):
        await deeds.act(RUN)
    assert rig.orders() == []


async def test_what_a_person_forced_is_done_all_the_same() -> None:
    rig, deeds = carrying(other_flows=False)
    await deeds.act(replace(RUN, is_forced=True))
    assert rig.orders() == ["choose video_input hdmi"]


async def test_with_a_backup_it_goes_off_the_air_and_is_mended() -> None:
    rig, deeds = carrying(other_flows=True)
    await deeds.act(RUN)
    assert rig.moved == [A]
    assert rig.orders() == ["choose video_input hdmi"]

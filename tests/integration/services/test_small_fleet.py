"""A fleet without room for the whole ladder: the lowest rungs are left out before a stream is refused."""

from __future__ import annotations

import dataclasses

import pytest

from app.domain.errors import NoCapacity

from .conftest import House
from .peers import OWNER, REQUEST, FakeNode, encoder, until

RUNG_720P = 1280 * 720 * 30.0
RUNG_480P = 854 * 480 * 30.0


async def shrink(house: House, pixels_per_s: float) -> None:
    """Each encoder is replaced by one of that capacity."""
    for place, node in enumerate(house.nodes):
        await node.go()
        info = encoder(node.info.name)
        small = dataclasses.replace(info.capabilities, capacity_pixels_per_s=pixels_per_s)
        house.nodes[place] = FakeNode(dataclasses.replace(info, capabilities=small))
        await house.nodes[place].come(house.control.port)
    encoders = house.control.services.encoders
    await until(
        lambda: all(
            view.info.capabilities.capacity_pixels_per_s == pixels_per_s and view.state.value == "online"
            for view in encoders.list()
        )
    )


async def test_a_ladder_nobody_asked_for_is_shortened_and_the_answer_says_so(house: House) -> None:
    await shrink(house, RUNG_720P + 1)
    stream = await house.control.services.streams.open(REQUEST, OWNER)
    assert [rendition.name for rendition in stream.record.ladder.renditions] == ["720p"]
    assert stream.record.encode is not None
    assert stream.record.encode.ladder == stream.record.ladder
    assert any("480p" in warning for warning in stream.advice.warnings)
    plan = house.gateway.plans[stream.record.stream_id]
    assert plan.ladder == stream.record.ladder


async def test_a_ladder_that_was_asked_for_is_refused_whole(house: House) -> None:
    whole = (await house.control.services.streams.open(REQUEST, OWNER)).record.ladder.renditions
    await shrink(house, RUNG_720P + 1)
    asked = dataclasses.replace(REQUEST, renditions=whole)
    with pytest.raises(NoCapacity):
        await house.control.services.streams.open(asked, OWNER)


async def test_the_refusal_tells_what_the_whole_ladder_needs(house: House) -> None:
    await shrink(house, RUNG_480P)
    with pytest.raises(NoCapacity, match=r"39\.9 Mpixel/s are needed"):
        await house.control.services.streams.open(REQUEST, OWNER)
    assert house.control.services.balancer.view().reserved == ()

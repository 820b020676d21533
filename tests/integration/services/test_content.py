"""What a gateway found in picture and sound: an encoder's fault moves the stream, a source's is only told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from app.domain.condition import Condition, SubjectKind
from app.domain.content import Fault, Finding, Side
from app.domain.failover import DecidedBy
from app.domain.link import ContentSeen, SwitchStream
from app.domain.session import OpenedStream
from app.domain.severity import Severity
from app.policy import content_evidence
from app.services.stream_watch import StreamWatch

from .conftest import House
from .peers import OWNER, at, until
from .scenes import grants, health, protected, published


def tell(house: House, stream: OpenedStream, *findings: Finding) -> None:
    generation = grants(house, stream)[0].generation
    house.gateway.tell(ContentSeen(stream.record.stream_id, at(), generation, findings))


def black(side: Side) -> Finding:
    return Finding(Fault.BLACK_PICTURE, side, 5.0, f"the picture is black: {side}", 5.0)


def conditions(house: House) -> list[Condition]:
    return [event for event in house.control.told(Condition) if isinstance(event, Condition)]


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Awaitable[None]]:
    """Call it to wait until the watch has gone over all streams twice."""
    beats = 0
    look = StreamWatch.look

    def counting(watch: StreamWatch, now: float) -> None:
        nonlocal beats
        look(watch, now)
        beats += 1

    async def wait() -> None:
        before = beats
        await until(lambda: beats >= before + 2)

    monkeypatch.setattr(StreamWatch, "look", counting)
    return wait


def switches(house: House) -> list[SwitchStream]:
    return [order for order in house.gateway.orders if isinstance(order, SwitchStream)]


async def test_an_encoder_that_makes_a_live_source_black_is_left_for_its_standby(house: House) -> None:
    stream = await published(house)
    old, standby = grants(house, stream)
    tell(house, stream, black(Side.ENCODER))
    await until(lambda: grants(house, stream)[0] == standby)
    (order,) = switches(house)
    assert order.decided_by is DecidedBy.CONTROL
    assert "black" in order.cause
    condition = next(c for c in conditions(house) if c.name == "black_picture")
    assert condition.is_active
    assert condition.severity is Severity.CRITICAL
    assert condition.subject.kind is SubjectKind.STREAM
    assert dict(condition.labels) == {
        "gateway": str(stream.record.gateway_id),
        "side": "encoder",
        "encoder": str(old.encoder_id),
    }


async def test_a_black_source_is_told_and_nothing_is_moved(
    house: House, looked: Callable[[], Awaitable[None]]
) -> None:
    stream = await published(house)
    before = grants(house, stream)
    # Of the same fault on both sides the source's explains the other one.
    tell(house, stream, black(Side.UNKNOWN), black(Side.SOURCE))
    await until(lambda: bool(conditions(house)))
    await looked()
    assert grants(house, stream) == before
    assert not switches(house)
    seen = health(house, stream)
    assert seen is not None
    assert black(Side.SOURCE).detail in seen.reasons
    (condition,) = conditions(house)
    assert condition.severity is Severity.WARNING
    assert dict(condition.labels)["side"] == "source"


async def test_the_next_encoder_that_does_the_same_is_not_left_too(
    house: House, looked: Callable[[], Awaitable[None]]
) -> None:
    stream = await published(house)
    _, standby = grants(house, stream)
    tell(house, stream, black(Side.ENCODER))
    await until(lambda: grants(house, stream)[0] == standby and protected(house, stream))
    told = len(conditions(house))
    tell(house, stream, black(Side.ENCODER))
    await until(lambda: len(conditions(house)) > told)
    await looked()
    assert len(switches(house)) == 1
    assert grants(house, stream)[0] == standby


async def test_a_condition_is_over_when_the_gateway_says_so_and_when_the_stream_ends(house: House) -> None:
    stream = await published(house)
    tell(house, stream, black(Side.SOURCE))
    tell(house, stream)
    await until(lambda: [c.is_active for c in conditions(house)] == [True, False])
    tell(house, stream, black(Side.SOURCE))
    await until(lambda: len(conditions(house)) == 3)
    await house.control.services.streams.end(stream.record.stream_id, OWNER)
    await until(lambda: [c.is_active for c in conditions(house)] == [True, False, True, False])


def test_a_rest_is_longer_than_a_gateway_needs_to_find_the_same_again() -> None:
    assert content_evidence.REST_S > 10 * content_evidence.FRESH_S

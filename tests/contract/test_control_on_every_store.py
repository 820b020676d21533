"""The control plane over every database: a stream is opened, survives control's restart, and is ended."""

from __future__ import annotations

from app.domain.ids import StreamId
from app.domain.stream import StreamState
from tests.contract.test_store import spoil
from tests.integration.services.peers import OWNER, REQUEST, Control, FakeGateway, FakeNode, encoder, until


async def test_a_stream_outlives_control_on_every_database(database_url: str) -> None:
    control, gateway = Control(database_url), FakeGateway()
    nodes = [FakeNode(encoder("a")), FakeNode(encoder("b"))]
    for node in nodes:
        node.on_standby = gateway.standby_came
    await control.start()
    for peer in (gateway, *nodes):
        await peer.come(control.port)
    await until(lambda: len(control.services.encoders.list()) == 2 and control.services.gateways.connected() != ())
    stream = await control.services.streams.open(REQUEST, OWNER)
    stream_id = stream.record.stream_id
    before = gateway.plans[stream_id]
    await control.stop()
    await control.start()
    await until(lambda: any(health.protected for health in control.services.streams.all_health(OWNER)))
    assert gateway.plans[stream_id].active == before.active
    await control.services.streams.end(stream_id, OWNER)
    await until(lambda: not gateway.plans)
    assert (await control.services.streams.get(stream_id, OWNER)).state is StreamState.ENDED
    for peer in (gateway, *nodes):
        await peer.go()
    await control.stop()


async def test_a_stream_that_cannot_be_read_goes_on_untouched_beside_the_others(database_url: str) -> None:
    control, gateway = Control(database_url), FakeGateway()
    nodes = [FakeNode(encoder("a")), FakeNode(encoder("b"))]
    for node in nodes:
        node.on_standby = gateway.standby_came
    await control.start()
    for peer in (gateway, *nodes):
        await peer.come(control.port)
    await until(lambda: len(control.services.encoders.list()) == 2 and control.services.gateways.connected() != ())
    opened = [await control.services.streams.open(REQUEST, OWNER) for _ in range(2)]
    spoilt, read = (stream.record.stream_id for stream in opened)
    await until(lambda: all(health.protected for health in control.services.streams.all_health(OWNER)))

    def workers(stream_id: str) -> set[str]:
        return {name for node in nodes for name, order in node.workers.items() if order.stream_id == stream_id}

    before = workers(spoilt)
    await control.stop()
    await spoil(database_url, spoilt, "{")
    await control.start()
    await until(lambda: [health.protected for health in control.services.streams.all_health(OWNER)] == [True])
    # Each peer has been heard, and what a hello sets off is done before an end is.
    await control.services.streams.end(read, OWNER)
    await until(lambda: StreamId(read) not in gateway.plans and not workers(read))
    assert set(gateway.plans) == {spoilt}
    assert workers(spoilt) == before != set()
    for peer in (gateway, *nodes):
        await peer.go()
    await control.stop()

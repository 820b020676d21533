"""The control plane over every database: a stream is opened, survives control's restart, and is ended."""

from __future__ import annotations

from app.domain.stream import StreamState
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

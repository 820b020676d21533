"""RTMP over TLS, both ways: publishers come in, destinations are verified."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from aiortmp import aio
from app.domain.errors import InvalidSettings
from app.domain.ids import DestinationId
from app.domain.link import ProgrammeUp
from app.domain.secret import Secret
from app.domain.stream import Destination, Outputs
from app.media.push.dial import Dialler
from tests.aiortmp.certificates import contexts, make
from tests.integration.gateway.material import messages_of, send
from tests.integration.gateway.rig import KEY, gateway, plan, until
from tests.integration.gateway.test_push import readings

SourceFile = Callable[[str], Path]
LOOPBACK = (ip_network("127.0.0.0/8"),)


async def test_a_publisher_comes_in_over_tls(tmp_path: Path, source_file: SourceFile) -> None:
    pem, private = make(tmp_path)
    trusting = ssl.create_default_context(cafile=str(pem))
    async with gateway(tmp_path, rtmps_port=0, tls_cert=pem, tls_key=private) as rig:
        await rig.open(plan())
        assert rig.running.rtmps_port
        connection = await aio.connect(f"rtmps://127.0.0.1:{rig.running.rtmps_port}/live", ssl=trusting)
        send(await connection.publish(KEY), messages_of(source_file("plain"))[:60])
        await rig.fact(ProgrammeUp)
        await connection.close()


async def test_a_certificate_that_does_not_fit_its_key_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    pem, _ = make(tmp_path / "a")
    _, private = make(tmp_path / "b")
    with pytest.raises(InvalidSettings):
        async with gateway(tmp_path, rtmps_port=0, tls_cert=pem, tls_key=private):
            pass


class Taker:
    """A server's side of one connection that takes whatever is published."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def on_connect(self, request: aio.ConnectRequest) -> None:
        request.accept()

    def on_publish(self, request: aio.PublishRequest) -> None:
        self._names.append(request.name)
        request.accept(self)

    def on_play(self, request: aio.PlayRequest) -> None:
        request.reject()

    def on_media(self, batch: object) -> None:
        pass

    def on_end(self, reason: str) -> None:
        pass

    def on_closed(self, reason: object) -> None:
        pass


async def test_a_destination_with_an_unknown_certificate_gets_nothing(tmp_path: Path) -> None:
    server_side, client_side = contexts(tmp_path)
    names: list[str] = []
    server = await aio.serve(lambda _: Taker(names), "127.0.0.1", 0, ssl=server_side)
    url = Secret(f"rtmps://127.0.0.1:{server.port}/live/their_secret_key")
    outputs = Outputs(destinations=(Destination(DestinationId("dst_1"), url),))
    async with gateway(tmp_path, allowed_private_targets=LOOPBACK) as rig:
        await rig.open(plan(outputs=outputs))
        await until("a failure", lambda: readings(rig)["dst_1"].state == "backing_off")
        assert "certificate" in str(readings(rig)["dst_1"].detail).lower()
        assert names == []
        dialled = await Dialler(allowed=LOOPBACK, tls=client_side).dial(url)
        assert names == ["their_secret_key"]
        await dialled.connection.close()
    server.close()
    await server.wait_closed()

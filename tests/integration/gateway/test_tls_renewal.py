"""RTMPS over a change of certificate: a hundred publishers stay, newcomers see the new one, bad ones are left."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from aiortmp import aio
from app.adapters.certificates.facts import fingerprint
from app.adapters.certificates.tls_probe import TlsProbe
from app.assembly import own_certificate
from app.domain.certificate import Place, PlaceKind
from app.domain.ids import PlaybackId, StreamId
from app.domain.link import OpenChannel, ProgrammeUp
from app.runtime.clock import utc_now
from tests.integration.gateway.material import messages_of, send
from tests.integration.gateway.rig import KEY, Rig, gateway, plan, until
from tests.support.certificates import Authority, Pair, write_pair

SourceFile = Callable[[str], Path]
PUBLISHERS = 100
CA = Authority.make()


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_certificate, "WATCH_S", 0.1)


def leaf() -> Pair:
    return CA.leaf("127.0.0.1")


def put(folder: Path, pair: Pair, chain: bytes | None = None) -> tuple[Path, Path]:
    """As Certbot does it: one file after the other, each replaced whole."""
    fresh = write_pair(folder / "fresh", pair.key_pem, chain or CA.chain(pair))
    for file in fresh:
        os.replace(file, folder / file.name)
    return folder / fresh[0].name, folder / fresh[1].name


async def shown(port: int) -> str:
    place = Place("rtmps", PlaceKind.OWN, "127.0.0.1", port, "127.0.0.1")
    chain = await TlsProbe(roots=[CA.root.certificate], utc_now=utc_now).look(place)
    return chain.leaf.fingerprint


async def test_a_hundred_publishers_stay_connected_through_a_renewal(
    tmp_path: Path, source_file: SourceFile
) -> None:
    first, second = leaf(), leaf()
    cert, key = put(tmp_path, first)
    trusting = ssl.create_default_context(cadata=CA.root.pem.decode())
    messages = messages_of(source_file("plain"))[:90]
    async with gateway(tmp_path, rtmps_port=0, tls_cert=cert, tls_key=key) as rig:
        port = rig.running.rtmps_port
        assert port is not None
        publishing = []
        for number in range(PUBLISHERS):
            own = replace(
                plan(key=f"{KEY}{number}"),
                stream_id=StreamId(f"str_{number}"),
                playback_id=PlaybackId(f"play_{number:026}"),
            )
            await rig.uplink.order(OpenChannel(own))
        for number in range(PUBLISHERS):
            connection = await aio.connect(f"rtmps://127.0.0.1:{port}/live", ssl=trusting)
            publish = await connection.publish(f"{KEY}{number}")
            send(publish, messages[:45])
            publishing.append((connection, publish))
        await rig.fact(ProgrammeUp, PUBLISHERS)

        put(tmp_path, second)

        await until_shown(port, second)
        assert not [one for one, _ in publishing if one.is_closed]
        before = frames_of(rig)
        for _, publish in publishing:
            send(publish, messages[45:])
        await until("frames of all", lambda: all(now > before[name] for name, now in frames_of(rig).items()))
        assert len(before) == PUBLISHERS
        assert all(room.channel.source.is_up for room in rig.running.gateway.rooms())
        for connection, _ in publishing:
            assert not connection.is_closed
            await connection.close()


def no_key(new: Pair) -> tuple[bytes, bytes]:
    return leaf().key_pem, CA.chain(new)


def no_issuer(new: Pair) -> tuple[bytes, bytes]:
    return new.key_pem, new.pem


def torn(new: Pair) -> tuple[bytes, bytes]:
    return new.key_pem, CA.chain(new)[:300]


@pytest.mark.parametrize("broken", [no_key, no_issuer, torn])
async def test_what_is_broken_is_not_used_and_what_mends_it_is(
    tmp_path: Path, broken: Callable[[Pair], tuple[bytes, bytes]]
) -> None:
    first, second, third = leaf(), leaf(), leaf()
    cert, key = put(tmp_path, first)
    roots = tmp_path / "roots.pem"
    roots.write_bytes(CA.root.pem)
    async with gateway(tmp_path, rtmps_port=0, tls_cert=cert, tls_key=key, certificate_roots=roots) as rig:
        port = rig.running.rtmps_port
        assert port is not None
        with structlog.testing.capture_logs() as logs:
            bad_key, bad_chain = broken(second)
            os.replace(write_pair(tmp_path / "fresh", bad_key, bad_chain)[1], key)
            os.replace(tmp_path / "fresh" / "chain.pem", cert)
            await until("a refusal", lambda: [one for one in logs if "not used" in one["event"]])
        assert await shown(port) == fingerprint(first.certificate)
        put(tmp_path, third)
        await until_shown(port, third)


def frames_of(rig: Rig) -> dict[str, int]:
    return {room.channel.plan.stream_id: room.channel.source.meter.frames for room in rig.running.gateway.rooms()}


async def until_shown(port: int, pair: Pair) -> None:
    wanted = fingerprint(pair.certificate)
    async with asyncio.timeout(20):
        while await shown(port) != wanted:  # noqa: ASYNC110 - a port tells nobody that it changed
            await asyncio.sleep(0.1)

"""A device with a certificate of its own making: pinned when it is entered, and never another one in silence."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
import pytest

from app.adapters.certificates.facts import fingerprint
from app.assembly.control import serving
from app.assembly.settings import Settings
from app.domain.condition import Condition
from app.domain.errors import ManagerError
from app.domain.events import Event
from app.domain.ids import EncoderId
from app.domain.secret import Secret
from app.monitoring import cert_monitor, cert_watch
from tests.integration.certificates.conftest import KEY, until
from tests.support.certificates import Pair, make, write_pair
from tests.support.helo import helo
from tests.support.peers import free_port

AUTH = {"Authorization": f"Bearer {KEY.reveal()}"}
HELO = EncoderId("helo-1")


def tls_of(folder: Path, pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_pair(folder, pair.key_pem, pair.pem))
    return context


async def test_another_certificate_of_a_device_is_told_refused_and_taken_on_consent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cert_monitor, "RETOLD_S", 0.2)
    monkeypatch.setattr(cert_monitor, "AGAIN_S", 0.2)
    monkeypatch.setattr(cert_watch, "DEVICE_S", 0.2)
    settings = Settings(
        data_dir=tmp_path,
        control_port=0,
        link_token=Secret("link-token-of-these-tests"),
        key_pepper=Secret("pepper-of-these-tests"),
        seal_key=Secret("seal-key-of-these-tests"),
        bootstrap_api_key=KEY,
    )
    first, second = make("helo", names=["helo"]), make("helo", names=["helo"])
    port = free_port()
    told: dict[str, Condition] = {}

    def hear(event: Event) -> None:
        if isinstance(event, Condition):
            told[event.name] = event

    async with serving(settings) as served, aiohttp.ClientSession(headers=AUTH) as http:
        base = f"http://127.0.0.1:{served.port}/api"
        devices = served.services.devices
        served.services.bus.listen(hear)
        async with helo(port=port, door_tls=tls_of(tmp_path / "a", first)):
            entered = {"kind": "aja_helo", "url": f"https://127.0.0.1:{port}", "encoder_id": HELO}
            async with http.post(f"{base}/encoders", json=entered) as answer:
                assert answer.status == 201, await answer.text()

            async def is_seen() -> bool:
                async with http.get(f"{base}/monitoring/certificates") as answer:
                    seen = (await answer.json())["certificates"]
                return bool(seen) and seen[0]["fingerprint"] == seen[0]["pinned"] == fingerprint(first.certificate)

            await until("the device's certificate", is_seen)
            assert "certificate_bad_chain" not in told
        async with helo(port=port, door_tls=tls_of(tmp_path / "b", second)):

            async def is_told() -> bool:
                return "fingerprint_changed" in told and told["fingerprint_changed"].is_active

            await until("the change", is_told)
            with pytest.raises(ManagerError):
                await devices.hardware(HELO).read()
            shown = fingerprint(second.certificate)
            accept = f"{base}/monitoring/certificates/device-{HELO}/accept"
            async with http.post(accept, json={"fingerprint": "ef" * 32}) as answer:
                assert answer.status == 409
            async with http.post(accept, json={"fingerprint": shown}) as answer:
                assert answer.status == 200, await answer.text()
            assert (await devices.hardware(HELO).capabilities()).max_streams >= 1
            [kept] = await served.services.store.devices()
            assert kept.entry.fingerprint == shown

            async def is_over() -> bool:
                return not told["fingerprint_changed"].is_active

            await until("the end of it", is_over)

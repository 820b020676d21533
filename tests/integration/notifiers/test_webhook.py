"""Webhooks: signed so that a receiver can check it, guarded, and honest about what was refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp.resolver import ThreadedResolver

from app.adapters.notifiers.webhook import Webhook
from app.domain.errors import InvalidRequest, InvalidSettings, NotAllowed, Unavailable
from app.domain.secret import Secret
from app.runtime.clock import utc_now
from tests.support.alerts import group
from tests.support.mouths import Mouth, Reply, mouth

SECRET = "a secret of sixteen or more"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture
async def server() -> AsyncIterator[Mouth]:
    async with mouth() as taken:
        yield taken


def hook(url: str, *, allowed: tuple[ipaddress.IPv4Network, ...] = LOOPBACK, secret: str = SECRET) -> Webhook:
    return Webhook(name="webhook", url=Secret(url), secret=Secret(secret), allowed=allowed)


async def test_a_receiver_can_check_who_sent_it_and_when(server: Mouth) -> None:
    one = hook(f"{server.url}/in?token=t")
    await one.send(group())
    await one.close()
    (heard,) = server.heard
    signed = f"{heard.headers['webhook-id']}.{heard.headers['webhook-timestamp']}.".encode() + heard.raw
    wanted = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert heard.headers["webhook-signature"] == f"v1,{wanted}"
    assert abs(int(heard.headers["webhook-timestamp"]) - utc_now().timestamp()) < 60
    assert (heard.json["id"], heard.headers["webhook-id"], heard.json["total"]) == ("msg_1", "msg_1", 1)
    assert heard.json["alerts"][0]["name"] == "encoder_offline"


async def test_what_is_said_twice_has_the_same_id(server: Mouth) -> None:
    one = hook(server.url)
    await one.send(group())
    await one.send(group())
    await one.close()
    assert len({heard.headers["webhook-id"] for heard in server.heard}) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, Unavailable),
        (503, Unavailable),
        (429, Unavailable),
        (408, Unavailable),
        (404, InvalidRequest),
        (422, InvalidRequest),
        (302, InvalidRequest),
        (401, NotAllowed),
        (410, NotAllowed),
    ],
)
async def test_an_answer_says_whether_to_try_again(server: Mouth, status: int, error: type[Exception]) -> None:
    server.usual = Reply(status, headers={"Retry-After": "12", "Location": f"{server.url}/elsewhere"})
    one = hook(server.url)
    with pytest.raises(error) as refused:
        await one.send(group())
    await one.close()
    assert len(server.heard) == 1
    if error is Unavailable:
        assert getattr(refused.value, "retry_after_s") == 12.0  # noqa: B009 - the type is that of several errors


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:80/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "ftp://example.org/",
        "http://user:word@example.org/",
        "http://example.org:22/",
    ],
)
def test_an_address_that_nobody_may_be_sent_to_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidSettings):
        hook(url, allowed=())


async def test_a_name_that_leads_inside_is_refused_when_it_is_called(
    server: Mouth, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def inside(
        self: object, host: str, port: int = 0, family: int = socket.AF_INET
    ) -> list[dict[str, object]]:
        return [
            {"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0},
        ]

    monkeypatch.setattr(ThreadedResolver, "resolve", inside)
    one = hook(server.url.replace("127.0.0.1", "rebound.example.org"), allowed=())
    with pytest.raises(NotAllowed):
        await one.send(group())
    await one.close()
    assert server.heard == []


def test_a_secret_that_signs_nothing_is_refused() -> None:
    for secret in ("", "short", "whsec_***not-base64***"):
        with pytest.raises(InvalidSettings):
            hook("https://example.org/", secret=secret)

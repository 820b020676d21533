"""Alerts to a program: signed JSON by POST, as the Standard Webhooks specification has it (version 1).

The signature is over id, time and body, so a receiver knows who sent it, refuses old ones, and tells a repetition
by its id. The address passes the guard for other people's addresses when it is written and when it is connected to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import socket
from collections.abc import Collection
from typing import Any, Final

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from app.adapters.notifiers.answers import TOTAL_S, reaching, read_some, refusal, retry_after_s
from app.domain.alert import Alert, AlertGroup
from app.domain.errors import InvalidSettings, NotAllowed
from app.domain.secret import Secret
from app.policy.outgoing import Network, Refused, judge_addresses, judge_written
from app.runtime.clock import utc_now

SCHEMES: Final = {"https": 443, "http": 80}
_ENCODED: Final = "whsec_"
"""Secrets that begin so are base64, says the specification."""


class Webhook:
    """`url` may hold a token, so it is kept secret. `allowed`: private networks that may be called."""

    def __init__(self, *, name: str, url: Secret, secret: Secret, allowed: Collection[Network]) -> None:
        self.name = name
        self._url = url
        self._key = _key(secret)
        refused = judge_written(url.reveal(), allowed=allowed, schemes=SCHEMES)
        if refused is not None:
            raise InvalidSettings(f"{name}: {refused.reason}")
        self._resolver = _Guarded(allowed)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, group: AlertGroup) -> None:
        body = orjson.dumps(described(group))
        headers = {
            "Content-Type": "application/json",
            **signed(self._key, group.id, int(utc_now().timestamp()), body),
        }
        timeout = aiohttp.ClientTimeout(total=TOTAL_S)
        async with (
            reaching(self.name),
            # A redirection would lead past the guard.
            self._opened().post(
                self._url.reveal(), data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer,
        ):
            await read_some(answer)
            if not 200 <= answer.status < 300:
                raise refusal(self.name, answer.status, retry_after_s(answer.headers.get("Retry-After")))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(resolver=self._resolver, use_dns_cache=False)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class _Guarded(AbstractResolver):
    """Resolves names, and gives only addresses that were judged: the socket is connected to one of them."""

    def __init__(self, allowed: Collection[Network]) -> None:
        self._allowed = allowed
        self._names: ThreadedResolver | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if self._names is None:
            self._names = ThreadedResolver()
        found = await self._names.resolve(host, port, family)
        judged = judge_addresses([entry["host"] for entry in found], allowed=self._allowed)
        if isinstance(judged, Refused):
            raise NotAllowed(judged.reason)
        return found

    async def close(self) -> None:
        if self._names is not None:
            await self._names.close()


def signed(key: bytes, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The headers that prove `body`. `at_s`: seconds since 1970."""
    content = f"{message_id}.{at_s}.".encode() + body
    digest = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(at_s), "webhook-signature": f"v1,{digest}"}


def _key(secret: Secret) -> bytes:
    text = secret.reveal()
    if len(text) < 16:
        raise InvalidSettings("webhook_secret is missing or shorter than 16 characters")
    if not text.startswith(_ENCODED):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(_ENCODED), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidSettings("webhook_secret begins with whsec_ and is no base64") from error


def described(group: AlertGroup) -> dict[str, Any]:
    """The body: `alerts` are some of `total`, the cause first."""
    return {
        "type": "alerts",
        "id": group.id,
        "timestamp": group.at.isoformat(),
        "title": group.title,
        "severity": group.severity.value,
        "total": group.total,
        "alerts": [_described(alert) for alert in group.alerts],
    }


def _described(alert: Alert) -> dict[str, Any]:
    return {
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "state": alert.state.value,
        "severity": alert.severity.value,
        "category": alert.category.value,
        "subject": {"kind": alert.subject.kind.value, "id": alert.subject.id},
        "summary": alert.summary,
        "labels": dict(alert.labels),
        "value": alert.value,
        "started_at": alert.started_at.isoformat(),
        "ended_at": None if alert.ended_at is None else alert.ended_at.isoformat(),
        "is_flapping": alert.is_flapping,
        "cause_fingerprint": alert.cause_fingerprint,
    }

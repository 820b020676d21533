"""The ACME library with what it lacks: patience with nonces, `Retry-After` of refusals, renewal advice in UTC, and
the field by which a server knows a renewal (RFC 8555, RFC 9773).

Blocking: for a thread. Errors of the library and its HTTP client become ours here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from josepy.errors import DeserializationError
from josepy.json_util import field
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from app.domain.certificate import RenewalWindow
from app.domain.errors import Unavailable
from app.runtime.clock import utc_now

REQUEST_S: Final = 15
NONCE_TRIES: Final = 6
"""Of two requests each."""
ASK_AGAIN: Final = timedelta(hours=6)
"""How often advice is looked at when the server names no time."""
LEAST_WAIT: Final = timedelta(minutes=1)
MOST_WAIT: Final = timedelta(days=1)
"""Bounds of what a server may ask us to wait for its advice (RFC 9773, section 4.3)."""


_NOT_AS_SPECIFIED: Final = (AttributeError, KeyError, TypeError, ValueError)
"""What the library raises for answers of another shape than the specification's."""


class NewOrder(messages.NewOrder):
    replaces: str | None = field("replaces", omitempty=True)


class Network(client.ClientNetwork):
    retry_after: str | None = None
    """Of the last answer, as `status`."""
    status = 0

    def post(self, *args: Any, **kwargs: Any) -> Any:
        for tries_left in reversed(range(NONCE_TRIES)):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce" or not tries_left:
                    raise
        raise AssertionError("the loop returns or raises")

    def answer_to(self, challenge: challenges.HTTP01) -> str:
        assert self.key is not None, "it was made with one"
        return str(challenge.key_authorization(self.key))

    def _send_request(self, *args: Any, **kwargs: Any) -> Any:
        response = super()._send_request(*args, **kwargs)
        self.retry_after, self.status = response.headers.get("Retry-After"), response.status_code
        return response


def network(key: Any, ca: Path | None, user_agent: str) -> Network:
    """`key`: an EC key on P-256. `ca`: roots for the server's own certificate, None: the system's."""
    verify: Any = True if ca is None else str(ca)
    return Network(JWKEC(key=key), alg=ES256, verify_ssl=verify, user_agent=user_agent, timeout=REQUEST_S)


@contextmanager
def errors_of_ours(net: Network) -> Iterator[None]:
    """Raises Unavailable for whatever the library or its HTTP client raises."""
    try:
        yield
    except messages.Error as error:
        raise Unavailable(
            f"the authority refuses: {words(error)}", retry_after_s=wait_s(net.retry_after)
        ) from error
    except (errors.Error, requests.RequestException, DeserializationError, *_NOT_AS_SPECIFIED) as error:
        text = str(error).partition("\n")[0][:200] or type(error).__name__
        raise Unavailable(f"the authority cannot be asked: {text}") from error


def is_passing(net: Network, error: Any) -> bool:
    """Whether the server is out of order or wants to be asked later; else it means what it says."""
    return net.status >= 500 or net.status == 429 or error.code in ("badNonce", "rateLimited", "serverInternal")


def words(error: Any) -> str:
    """What the server said, in one line."""
    return f"{error.code or error.typ}: {error.detail or error.title or 'no reason given'}"[:300]


def wait_s(retry_after: str | None) -> float | None:
    """Seconds of a `Retry-After`, which may be a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(int(retry_after)))
    except ValueError:
        pass
    at = dated(retry_after)
    return None if at is None else max(0.0, (at - utc_now()).total_seconds())


def dated(text: str | None) -> datetime | None:
    """A date of an HTTP header, in UTC."""
    try:
        at = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def advice(net: Any, base_url: str, certificate_id: str, now: datetime) -> RenewalWindow:
    """The server's window for one certificate. Raises ValueError for one that ends before it begins."""
    answer = net.get(f"{base_url.rstrip('/')}/{certificate_id}", content_type="application/json")
    told = answer.json()
    window = told["suggestedWindow"]
    start, end = (datetime.fromisoformat(window[name]).astimezone(UTC) for name in ("start", "end"))
    if end < start:
        raise ValueError("the authority's renewal window ends before it begins")
    pause = wait_s(answer.headers.get("Retry-After"))
    wait = ASK_AGAIN if pause is None else min(max(timedelta(seconds=pause), LEAST_WAIT), MOST_WAIT)
    text = told.get("explanationURL")
    return RenewalWindow(start, end, now + wait, text[:500] if isinstance(text, str) else None)


def certificate_id(certificate: x509.Certificate) -> str | None:
    """Its name in RFC 9773, section 4.1; None: it names no authority's key."""
    try:
        issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None
    if issuer is None:
        return None
    serial = certificate.serial_number
    # One bit more, for the sign of a DER integer.
    return f"{_text(issuer)}.{_text(serial.to_bytes(serial.bit_length() // 8 + 1, 'big'))}"


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")

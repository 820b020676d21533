"""What the ACME library lacks: advice in UTC, names of certificates, the mark of a renewal, times to come again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from acme import errors, messages
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from app.adapters.certificates import acme_wire as wire
from app.adapters.certificates.acme import AcmeAuthority
from app.adapters.certificates.acme_files import AcmeFiles
from app.adapters.certificates.acme_session import AcmeSession
from app.adapters.certificates.challenges import ChallengeBook
from app.domain.errors import Unavailable
from app.runtime.clock import utc_now
from tests.support.certificates import Authority, named, new_key

CA = Authority.make()


def test_a_certificate_is_named_as_in_the_example_of_rfc_9773() -> None:
    # Section 4.1: key identifier 69:88:5B:...:C8:D4, serial number 00:87:65:43:21.
    key, now = new_key(), utc_now()
    issuer = bytes.fromhex("69885B6B87464041E1B37B847BA0AE2CDE01C8D4")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(named("example"))
        .issuer_name(named("Example CA"))
        .public_key(key.public_key())
        .serial_number(0x87654321)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.AuthorityKeyIdentifier(issuer, None, None), critical=False)
        .sign(key, hashes.SHA256())
    )
    assert wire.certificate_id(certificate) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


def test_a_certificate_that_names_no_authority_has_no_name() -> None:
    assert wire.certificate_id(CA.leaf(identified=False).certificate) is None


@pytest.mark.parametrize(
    ("told", "seconds"),
    [(None, None), ("120", 120.0), ("-5", 0.0), ("soon", None), ("Fri, 01 Jan 2021 00:00:00 GMT", 0.0)],
)
def test_how_long_a_server_wants_us_to_wait_is_read_as_seconds_or_as_a_date(
    told: str | None, seconds: float | None
) -> None:
    assert wire.wait_s(told) == seconds


class Advising:
    """A server's directory and renewal advice, over real HTTP."""

    def __init__(self) -> None:
        self.advice: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        self.base = ""

    async def directory(self, request: web.Request) -> web.Response:
        return web.json_response({"renewalInfo": f"{self.base}/advice", "newNonce": "", "newAccount": ""})

    async def advise(self, request: web.Request) -> web.Response:
        self.asked.append(request.match_info["id"])
        return web.json_response(self.advice, headers=self.headers)


@pytest.fixture
async def advising() -> Any:
    server = Advising()
    app = web.Application()
    app.router.add_get("/dir", server.directory)
    app.router.add_get("/advice/{id}", server.advise)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


def asking(advising: Advising, folder: Path) -> AcmeAuthority:
    files = AcmeFiles(folder, directory=f"{advising.base}/dir", names=("live.example.org",))
    return AcmeAuthority(files, book=ChallengeBook())


@pytest.mark.parametrize(
    ("wait", "least", "most"),
    [(None, 6 * 3600, 6 * 3600), ("3600", 3600, 3600), ("1", 60, 60), ("9999999", 86400, 86400)],
)
async def test_advice_is_in_utc_and_asked_for_again_within_bounds(
    advising: Advising, tmp_path: Path, wait: str | None, least: int, most: int
) -> None:
    leaf = CA.leaf()
    advising.advice = {"suggestedWindow": {"start": "2027-01-02T05:00:00+05:00", "end": "2027-01-03T00:00:00Z"}}
    advising.headers = {} if wait is None else {"Retry-After": wait}
    begun = utc_now()
    window = await asking(advising, tmp_path).window(leaf.pem + CA.middle.pem)
    assert window is not None
    assert window.start == datetime(2027, 1, 2, tzinfo=UTC)
    assert window.start.tzinfo is UTC
    assert window.end == datetime(2027, 1, 3, tzinfo=UTC)
    assert timedelta(seconds=least) <= window.ask_again - begun < timedelta(seconds=most + 30)
    assert advising.asked == [wire.certificate_id(leaf.certificate)]


@pytest.mark.parametrize(
    "advice",
    [
        {},
        {"suggestedWindow": None},
        {"suggestedWindow": {"start": "never", "end": "ever"}},
        {"suggestedWindow": {"start": "2027-01-03T00:00:00Z", "end": "2027-01-02T00:00:00Z"}},
        ["suggestedWindow"],
    ],
    ids=str,
)
async def test_advice_of_another_shape_is_none_that_can_be_used(
    advising: Advising, tmp_path: Path, advice: Any
) -> None:
    advising.advice = advice
    with pytest.raises(Unavailable):
        await asking(advising, tmp_path).window(CA.leaf().pem)


class Answer:
    def __init__(self, content: Any = None, **headers: str) -> None:
        self._content = content
        self.headers = headers
        self.links: dict[str, Any] = {}

    def json(self) -> Any:
        return self._content


class Line:
    """A server's end of the conversation: what is posted, and what it says to it."""

    def __init__(self, answer: Callable[[str, Any], Answer]) -> None:
        self.posted: list[tuple[str, Any]] = []
        self._answer = answer

    def get(self, url: str) -> Answer:
        return Answer({"newOrder": "/order", "newNonce": "/nonce", "renewalInfo": "/advice"})

    def post(self, url: str, content: Any, **_: object) -> Answer:
        told = None if content is None else json.loads(content.json_dumps())
        self.posted.append((url, told))
        return self._answer(url, told)


def test_a_renewal_says_what_it_replaces() -> None:
    line = Line(lambda url, told: Answer(Location="/order/1"))
    assert AcmeSession(line, "/dir").new_order(("live.example.org",), "aki.serial") == "/order/1"  # type: ignore[arg-type] # its end only
    assert line.posted[0][1]["replaces"] == "aki.serial"
    assert line.posted[0][1]["identifiers"] == [{"type": "dns", "value": "live.example.org"}]


def test_a_renewal_that_was_replaced_already_is_ordered_as_a_new_one() -> None:
    def refuse_once(url: str, told: Any) -> Answer:
        if "replaces" in told:
            raise errors.ConflictError("somewhere")
        return Answer(Location="/order/2")

    line = Line(refuse_once)
    assert AcmeSession(line, "/dir").new_order(("live.example.org",), "aki.serial") == "/order/2"  # type: ignore[arg-type] # its end only
    assert len(line.posted) == 2


def test_a_refusal_is_told_with_the_time_to_come_again() -> None:
    net = wire.network(new_key(), None, "test")
    net.retry_after = "7200"
    with pytest.raises(Unavailable, match="rateLimited: too many") as refused, wire.errors_of_ours(net):
        raise messages.Error.with_code("rateLimited", detail="too many")
    assert refused.value.retry_after_s == 7200.0

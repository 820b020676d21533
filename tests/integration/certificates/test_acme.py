"""Certificates ordered from a real ACME server, as it is and with its faults."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from app.adapters.certificates.acme import AcmeAuthority
from app.adapters.certificates.acme_files import AcmeFiles
from app.adapters.certificates.challenges import ChallengeBook
from app.domain.errors import Unavailable
from app.ports.certificates import ValidationFailed
from app.runtime.clock import utc_now
from tests.integration.certificates.conftest import NAMES, answering, authority
from tests.support.acme import pebble
from tests.support.certificates import Authority


def counted() -> None:
    """Orders are counted at the server here."""


def names_of(pem: bytes) -> set[str]:
    leaf = x509.load_pem_x509_certificates(pem)[0]
    return set(
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    )


async def test_a_certificate_is_issued_and_renewed(tmp_path: Path) -> None:
    book = ChallengeBook()
    with pebble(tmp_path / "pebble") as server:
        async with answering(book, server.http_port) as asked:
            ordering = authority(server, tmp_path / "acme", book)
            first = await ordering.obtain(replaces_pem=None, on_order=counted)
            assert ordering.has_open_order
            await ordering.settle()
            assert not ordering.has_open_order
            again = await authority(server, tmp_path / "acme", book).obtain(replaces_pem=first, on_order=counted)
    assert names_of(first) == names_of(again) == set(NAMES)
    assert x509.load_pem_x509_certificates(first)[0] != x509.load_pem_x509_certificates(again)[0]
    assert len(set(asked)) == 4


async def test_every_second_nonce_refused_and_slow_looks_still_give_a_certificate(tmp_path: Path) -> None:
    book = ChallengeBook()
    with pebble(tmp_path / "pebble", bad_nonces_percent=50, most_sleep_s=1) as server:
        async with answering(book, server.http_port):
            pem = await authority(server, tmp_path / "acme", book).obtain(replaces_pem=None, on_order=counted)
        assert server.orders() == 1
    assert names_of(pem) == set(NAMES)


async def test_names_that_cannot_be_proved_end_the_order_in_the_servers_words(tmp_path: Path) -> None:
    with pebble(tmp_path / "pebble") as server:
        ordering = authority(server, tmp_path / "acme", ChallengeBook())
        with pytest.raises(ValidationFailed, match=r"could not be proved.*example\.org"):
            await ordering.obtain(replaces_pem=None, on_order=counted)
        assert not ordering.has_open_order


async def test_an_account_that_is_gone_is_made_anew(tmp_path: Path) -> None:
    book = ChallengeBook()
    for run in ("one", "two"):
        with pebble(tmp_path / run) as server:
            async with answering(book, server.http_port):
                account = AcmeFiles(tmp_path / "acme", directory=server.directory, names=NAMES).account
                kept = tmp_path / "acme" / "account.json"
                if kept.exists():
                    # The same server under another port, which has forgotten everything.
                    kept.write_text(re.sub(r"https://127.0.0.1:\d+/dir", server.directory, kept.read_text()))
                    assert account() is not None
                ordering = authority(server, tmp_path / "acme", book)
                assert names_of(await ordering.obtain(replaces_pem=None, on_order=counted)) == set(NAMES)
                await ordering.settle()


async def test_a_server_that_is_away_is_worth_another_try(tmp_path: Path) -> None:
    with pebble(tmp_path / "pebble") as server:
        ordering = authority(server, tmp_path / "acme", ChallengeBook())
    with pytest.raises(Unavailable, match="cannot be asked"):
        await ordering.obtain(replaces_pem=None, on_order=counted)
    with pytest.raises(Unavailable, match="cannot be reached"):
        await ordering.clock()
    assert not ordering.has_open_order


async def test_the_servers_clock_is_read_without_trusting_it(tmp_path: Path) -> None:
    with pebble(tmp_path / "pebble") as server:
        files = AcmeFiles(tmp_path / "acme", directory=server.directory, names=NAMES)
        untrusting = AcmeAuthority(files, book=ChallengeBook())
        assert abs(await untrusting.clock() - utc_now()) < timedelta(minutes=1)
        with pytest.raises(Unavailable, match="certificate"):
            await untrusting.obtain(replaces_pem=None, on_order=counted)


async def test_a_server_without_advice_gives_none(tmp_path: Path) -> None:
    ca = Authority.make()
    with pebble(tmp_path / "pebble") as server:
        assert await authority(server, tmp_path / "acme", ChallengeBook()).window(ca.leaf().pem) is None

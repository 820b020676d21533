"""Every way in which a chain can be bad is told by its own name and in its own words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.adapters.certificates.facts import trusted_roots
from app.adapters.certificates.verify import inspect
from app.domain.certificate import ChainFault, ChainVerdict
from app.policy.chain import judge
from tests.support.certificates import DAY, NAME, Authority, Pair, make, new_key

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
CA = Authority.make(now=NOW)
STRANGER = Authority.make("Strange", now=NOW)
Case = Callable[[], list[Pair]]


def verdict(*served: Pair, expects: str | None = NAME, key_matches: bool | None = None) -> ChainVerdict:
    certificates = [pair.certificate for pair in served]
    roots = [CA.root.certificate]
    chain, _ = inspect(certificates, roots, now=NOW, key_matches=key_matches)
    return judge(chain, expects=expects, now=NOW)


def leaf(**options: object) -> Pair:
    return CA.leaf(NAME, now=NOW, **options)


def old_intermediate() -> list[Pair]:
    middle = make("Old", CA.root, is_ca=True, begins=-90 * DAY, ends=-DAY, now=NOW)
    return [make(NAME, middle, names=[NAME], now=NOW), middle]


def signed_by_a_leaf() -> list[Pair]:
    middle = make("No authority", CA.root, now=NOW)
    return [make(NAME, middle, names=[NAME], now=NOW), middle]


def small_key() -> Pair:
    return leaf(key=rsa.generate_private_key(public_exponent=65537, key_size=1024))


BAD: dict[ChainFault, Case] = {
    ChainFault.INCOMPLETE: lambda: [leaf()],
    ChainFault.UNKNOWN_ROOT: lambda: [STRANGER.leaf(NAME, now=NOW), STRANGER.middle],
    ChainFault.SELF_SIGNED: lambda: [make(NAME, names=[NAME], now=NOW)],
    ChainFault.WRONG_NAME: lambda: [CA.leaf("other.example.org", now=NOW), CA.middle],
    ChainFault.EXPIRED: lambda: [leaf(begins=-30 * DAY, ends=-DAY), CA.middle],
    ChainFault.NOT_YET_VALID: lambda: [leaf(begins=DAY), CA.middle],
    ChainFault.ISSUER_EXPIRED: old_intermediate,
    ChainFault.WEAK_KEY: lambda: [small_key(), CA.middle],
    ChainFault.WEAK_SIGNATURE: lambda: [leaf(hashed=hashes.SHA224()), CA.middle],
    ChainFault.WRONG_USAGE: lambda: [leaf(usages=[ExtendedKeyUsageOID.CLIENT_AUTH]), CA.middle],
    ChainFault.ISSUER_NOT_CA: signed_by_a_leaf,
    ChainFault.FORGED: lambda: [leaf(signed_by=new_key()), CA.middle],
    ChainFault.WRONG_ORDER: lambda: [leaf(), CA.middle, CA.middle],
    ChainFault.TOO_LONG: lambda: [leaf(ends=300 * DAY), CA.middle],
}


@pytest.mark.parametrize("fault", BAD, ids=str)
def test_a_bad_chain_is_told_by_its_own_name(fault: ChainFault) -> None:
    found = verdict(*BAD[fault]())
    assert found.fault is fault, found.message


def test_no_two_bad_chains_are_told_in_the_same_words() -> None:
    messages = {verdict(*case()).message for case in BAD.values()}
    assert len(messages) == len(BAD)


def test_a_complete_chain_is_trusted() -> None:
    assert verdict(leaf(), CA.middle) == ChainVerdict(None, "complete and trusted", is_bad=False)


def test_a_chain_may_be_sent_with_its_root() -> None:
    assert verdict(leaf(), CA.middle, CA.root).fault is None


def test_a_key_of_another_certificate_is_told_before_all_else() -> None:
    assert verdict(leaf(ends=-DAY, begins=-2 * DAY), CA.middle, key_matches=False).fault is ChainFault.KEY_MISMATCH


def test_a_certificate_that_says_nothing_of_its_use_is_not_for_servers() -> None:
    assert verdict(leaf(usages=None), CA.middle).fault is ChainFault.WRONG_USAGE


def test_intermediates_in_another_order_are_a_warning() -> None:
    lower = make("Lower", CA.middle, is_ca=True, now=NOW)
    last = make(NAME, lower, names=[NAME], now=NOW)
    found = verdict(last, CA.middle, lower)
    assert (found.fault, found.is_bad) == (ChainFault.WRONG_ORDER, False)


def test_an_unknown_root_is_told_when_it_is_sent_too() -> None:
    found = verdict(STRANGER.leaf(NAME, now=NOW), STRANGER.middle, STRANGER.root)
    assert found.fault is ChainFault.UNKNOWN_ROOT
    assert "Strange Root" in found.message


def test_what_only_the_verifier_knows_is_told_in_its_words() -> None:
    silent = make(NAME, CA.middle, names=[NAME], now=NOW, identified=False)
    found = verdict(silent, CA.middle)
    assert found.fault is ChainFault.REFUSED
    assert "verifier" in found.message


@pytest.mark.parametrize(
    ("names", "asked", "fits"),
    [
        (["*.example.org"], "live.example.org", True),
        (["*.example.org"], "a.live.example.org", False),
        (["*.example.org"], "example.org", False),
        (["LIVE.example.org"], "live.EXAMPLE.org.", True),
        (["192.0.2.7"], "192.0.2.7", True),
        (["192.0.2.7"], "192.0.2.8", False),
        (["2001:db8::1"], "[2001:db8:0::1]", True),
    ],
)
def test_names_fit_as_browsers_take_them(names: list[str], asked: str, fits: bool) -> None:
    one = CA.leaf(*names, now=NOW)
    assert (verdict(one, CA.middle, expects=asked).fault is not ChainFault.WRONG_NAME) is fits


def test_a_common_name_alone_is_no_name() -> None:
    one = make(NAME, CA.middle, now=NOW)
    assert verdict(one, CA.middle).fault is ChainFault.WRONG_NAME


def test_nothing_served_is_no_chain() -> None:
    with pytest.raises(ValueError):
        inspect([], [], now=NOW)


def test_the_authorities_of_this_system_are_read() -> None:
    assert len({root.subject for root in trusted_roots()}) > 20

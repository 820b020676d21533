"""A new pair is tried out before anybody sees it, and a bad one changes nothing."""

from __future__ import annotations

import resource
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from app.adapters.certificates import files
from app.adapters.certificates.facts import fingerprint
from app.adapters.certificates.files import OrderBook, placeholder, read_pair, write_first, write_whole
from app.adapters.certificates.serving import ServedPair
from app.domain.certificate import OrderLog, ServedChain
from app.domain.errors import Conflict, InvalidSettings
from app.policy.chain import unfit
from app.runtime.clock import utc_now
from tests.support.certificates import DAY, NAME, Authority, Pair, make, new_key, write_pair

CA = Authority.make()
OLD = make("Old", CA.root, is_ca=True, begins=-90 * DAY, ends=-DAY)


def served(folder: Path, pem: bytes | None = None) -> ServedPair:
    file = folder / "pair.pem"
    good = CA.leaf()
    file.write_bytes(pem or good.key_pem + CA.chain(good))

    def judge(new: ServedChain, present: ServedChain | None) -> str | None:
        return unfit(new, present, names=(NAME,), now=utc_now())

    roots = [CA.root.certificate]
    pair = ServedPair(file, file, roots=roots, unfit=judge, utc_now=utc_now)
    pair.load()
    return pair


def whole(leaf: Pair, middle: Pair | None = None) -> bytes:
    return leaf.key_pem + leaf.pem + (middle or CA.middle).pem


BROKEN: dict[str, Callable[[], bytes]] = {
    "belong": lambda: new_pair_key() + CA.chain(CA.leaf()),
    "made for": lambda: whole(CA.leaf("other.example.org")),
    "not sent": lambda: alone(),
    "not valid before": lambda: whole(CA.leaf(begins=DAY)),
    "expired on": lambda: whole(CA.leaf(begins=-9 * DAY, ends=-DAY)),
    "small|weak|bits": lambda: whole(CA.leaf(key=rsa.generate_private_key(public_exponent=65537, key_size=1024))),
    "issuer 'Old' is valid": lambda: whole(make(NAME, OLD, names=[NAME]), OLD),
    "cannot be read": lambda: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "none of the trusted": lambda: stranger(),
}


def new_pair_key() -> bytes:
    return Pair(CA.root.certificate, new_key()).key_pem


def stranger() -> bytes:
    other = Authority.make("Strange")
    leaf = other.leaf()
    return leaf.key_pem + other.chain(leaf)


def alone() -> bytes:
    pair = CA.leaf()
    return pair.key_pem + pair.pem


@pytest.mark.parametrize("words", BROKEN)
def test_a_broken_pair_is_refused_in_its_own_words_and_changes_nothing(tmp_path: Path, words: str) -> None:
    pair = served(tmp_path)
    before, on_disk = pair.pair, (tmp_path / "pair.pem").read_bytes()
    with pytest.raises(Conflict, match=words):
        pair.replace(BROKEN[words]())
    assert pair.pair is before
    assert (tmp_path / "pair.pem").read_bytes() == on_disk


def test_a_broken_pair_that_somebody_put_there_is_refused_at_each_reload_until_it_is_mended(tmp_path: Path) -> None:
    pair = served(tmp_path)
    before = pair.pair
    (tmp_path / "pair.pem").write_bytes(alone())
    for _ in range(2):
        with pytest.raises(Conflict, match="not sent"):
            pair.reload()
    assert pair.pair is before
    (tmp_path / "pair.pem").write_bytes(whole(CA.leaf()))
    assert pair.reload()
    assert not pair.reload()


def test_a_pair_that_was_refused_before_its_time_is_taken_up_when_it_has_come(tmp_path: Path) -> None:
    now = utc_now()
    file, good = tmp_path / "pair.pem", CA.leaf()
    file.write_bytes(good.key_pem + CA.chain(good))

    def judge(new: ServedChain, present: ServedChain | None) -> str | None:
        return unfit(new, present, names=(NAME,), now=now)

    pair = ServedPair(file, file, roots=[CA.root.certificate], unfit=judge, utc_now=lambda: now)
    pair.load()
    file.write_bytes(whole(CA.leaf(begins=DAY)))
    with pytest.raises(Conflict, match="not valid before"):
        pair.reload()
    now += 2 * DAY
    assert pair.reload()


def test_a_private_authority_may_follow_on_itself(tmp_path: Path) -> None:
    other = Authority.make("House")
    pair = served(tmp_path, whole(other.leaf(), other.middle))
    pair.replace(whole(other.leaf(), other.middle))


def test_a_placeholder_gives_way_to_what_is_issued(tmp_path: Path) -> None:
    pair = served(tmp_path, placeholder([NAME]))
    good = CA.leaf()
    pair.replace(whole(good))
    assert pair.pair is not None
    assert pair.pair.chain.leaf.fingerprint == fingerprint(good.certificate)


def test_what_cannot_be_loaded_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings):
        served(tmp_path, b"nothing")


def test_new_connections_see_the_new_pair_with_and_without_a_name_and_open_ones_stay(tmp_path: Path) -> None:
    pair = served(tmp_path)
    good = CA.leaf()
    with Echo(pair.context) as echo:
        open_one = echo.dial(NAME)
        pair.replace(whole(good))
        for name in (NAME, None):
            with echo.dial(name) as later:
                shown = later.getpeercert(binary_form=True)
                assert shown == good.certificate.public_bytes(files.serialization.Encoding.DER)
        open_one.sendall(b"still here")
        assert open_one.recv(100) == b"still here"
        open_one.close()


def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "pair.pem"
    write_whole(target, b"first")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(target, b"second")
    assert [file.name for file in tmp_path.iterdir()] == ["pair.pem"]
    assert target.read_bytes() == b"first"
    assert target.stat().st_mode & 0o777 == 0o600


def test_what_could_not_be_written_whole_leaves_no_part_of_a_key_behind(tmp_path: Path) -> None:
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_whole(tmp_path / "pair.pem", b"k" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_placeholder_never_takes_the_place_of_what_is_there(tmp_path: Path) -> None:
    target = tmp_path / "pair.pem"
    assert write_first(target, b"first")
    assert not write_first(target, b"second")
    assert target.read_bytes() == b"first"


def test_a_file_as_large_as_no_certificate_is_not_read(tmp_path: Path) -> None:
    cert, key = write_pair(tmp_path, b"k", b"c" * 2_000_000)
    with pytest.raises(ValueError, match="too large"):
        read_pair(cert, key)


def test_orders_are_remembered_and_a_torn_book_is_an_empty_one(tmp_path: Path) -> None:
    book = OrderBook(tmp_path / "orders.json")
    now = utc_now()
    book.note(OrderLog(orders=(now - timedelta(hours=1), now), failures=2, last_error="away"))
    assert OrderBook(tmp_path / "orders.json").orders().orders[1] == now
    (tmp_path / "orders.json").write_text("{")
    assert book.orders() == OrderLog()


class Echo:
    """A TLS server in a thread that sends back what it gets."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Echo:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone would not wake the thread.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def dial(self, name: str | None) -> ssl.SSLSocket:
        looking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        looking.check_hostname = False
        looking.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(self._listener.getsockname(), timeout=10)
        return looking.wrap_socket(plain, server_hostname=name)

    def _serve(self) -> None:
        serving = []
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                break
            one = threading.Thread(target=partial(self._echo, plain))
            one.start()
            serving.append(one)
        for one in serving:
            one.join()

    def _echo(self, plain: socket.socket) -> None:
        try:
            with self._context.wrap_socket(plain, server_side=True) as tls:
                while data := tls.recv(100):
                    tls.sendall(data)
        except OSError:
            plain.close()

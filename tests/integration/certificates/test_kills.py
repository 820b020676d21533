"""The end of the world after each step of a renewal: whoever comes after goes on with the same order.

At no moment is there a time without a pair that can be served.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from app.adapters.certificates import files, serving
from app.adapters.certificates.acme import AcmeAuthority
from app.adapters.certificates.challenges import ChallengeBook
from app.adapters.certificates.files import OrderBook, placeholder, write_first
from app.adapters.certificates.keeper import OwnPair
from app.adapters.certificates.serving import ServedPair
from app.domain.certificate import ServedChain
from app.monitoring.cert_renewal import Renewal
from app.policy.chain import unfit
from app.runtime.clock import utc_now
from tests.integration.certificates.conftest import NAMES, answering, authority
from tests.support.acme import Pebble, pebble

ORDERING = ("account kept", "key kept", "order placed", "order kept", "challenge told", "finalised", "downloaded")
STORING = ("pair written", "pair renamed", "pair in use", "order over", "success noted")


class Killed(BaseException):
    """Stands for the process' end: nothing of ours catches it."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    with pebble(tmp_path_factory.mktemp("pebble")) as running:
        yield running


@pytest.fixture
async def book(server: Pebble) -> AsyncIterator[ChallengeBook]:
    shared = ChallengeBook()
    async with answering(shared, server.http_port):
        yield shared


class Life:
    """One process' view of the files: what is in use, and who renews it."""

    def __init__(self, server: Pebble, folder: Path, book: ChallengeBook, at: Callable[[str], None]) -> None:
        file = folder / "pair.pem"
        write_first(file, placeholder(NAMES))
        self.served = ServedPair(file, file, roots=[server.root()], unfit=judge, utc_now=utc_now)
        self.served.load()
        self.authority: AcmeAuthority = authority(server, folder, book, at=at)
        keeper = OwnPair(self.served, OrderBook(folder / "orders.json"))
        self.renewal = Renewal(keeper=keeper, authority=self.authority, names=NAMES, utc_now=utc_now)


def judge(new: ServedChain, present: ServedChain | None) -> str | None:
    return unfit(new, present, names=NAMES, now=utc_now())


def watch_files(monkeypatch: pytest.MonkeyPatch, at: Callable[[str], None]) -> None:
    """Tells the steps of storing, which are calls of the file system and of the keeper."""
    rename, remove, reload, save = files.os.replace, files.remove, ServedPair.reload, files.save_record

    def replaced(source: Path, target: Path) -> None:
        if target.name == "pair.pem":
            at("pair written")
        rename(source, target)
        if target.name == "pair.pem":
            at("pair renamed")

    def reloaded(pair: ServedPair) -> bool:
        done = reload(pair)
        at("pair in use")
        return done

    def removed(path: Path) -> None:
        remove(path)
        at("order over")

    def saved(path: Path, record: object) -> None:
        save(path, record)
        if path.name == "orders.json" and getattr(record, "last_attempt", None) is not None:
            at("success noted")

    monkeypatch.setattr(files.os, "replace", replaced)
    monkeypatch.setattr(serving.ServedPair, "reload", reloaded)
    monkeypatch.setattr("app.adapters.certificates.acme_files.remove", removed)
    monkeypatch.setattr(files, "save_record", saved)


def die(done: list[str], step: str, reached: str) -> None:
    done.append(reached)
    if reached == step:
        raise Killed


@pytest.mark.parametrize("step", [*ORDERING, *STORING])
async def test_who_dies_after_a_step_is_followed_by_who_goes_on(
    server: Pebble, book: ChallengeBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = server.orders()
    done: list[str] = []
    first = Life(server, tmp_path, book, partial(die, done, step))
    with monkeypatch.context() as patched:
        watch_files(patched, partial(die, done, step))
        with pytest.raises(Killed):
            await first.renewal.look()
    assert done[-1] == step

    second = Life(server, tmp_path, book, done.append)
    assert second.served.pair is not None
    with monkeypatch.context() as patched:
        watch_files(patched, done.append)
        await second.renewal.look()
    assert server.orders() == before + 1
    chain = second.served.pair.chain
    assert chain.reaches_root
    assert set(chain.leaf.names) == set(NAMES)
    assert not second.authority.has_open_order
    assert second.renewal.state().failures == 0
    assert set(done) >= set(ORDERING)

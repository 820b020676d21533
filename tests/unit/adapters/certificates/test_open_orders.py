"""An order that was begun is gone on with for as long as the authority may know it."""

from __future__ import annotations

from pathlib import Path

import pytest
from acme import messages

from app.adapters.certificates import acme
from app.adapters.certificates.acme import AcmeAuthority
from app.adapters.certificates.acme_files import AcmeFiles, OpenOrder
from app.adapters.certificates.acme_wire import Network
from app.adapters.certificates.challenges import ChallengeBook
from app.domain.errors import Unavailable


class Refusing:
    """A conversation with an authority that answers each question for the order with an error."""

    status, code = 500, "serverInternal"

    def __init__(self, net: Network, directory: str) -> None:
        self.net = net

    def account(self, contact: str | None) -> str:
        return "https://acme.example.org/account/1"

    def read(self, url: str) -> None:
        self.net.status = self.status
        raise messages.Error.with_code(self.code)


@pytest.mark.parametrize(
    ("status", "code", "is_kept"),
    [
        (500, "serverInternal", True),
        (503, "rateLimited", True),
        (429, "rateLimited", True),
        (400, "badNonce", True),
        (404, "malformed", False),
        (403, "unauthorized", False),
    ],
)
async def test_an_order_is_given_up_when_the_authority_does_not_know_it_and_not_when_it_is_out_of_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, code: str, is_kept: bool
) -> None:
    monkeypatch.setattr(Refusing, "status", status)
    monkeypatch.setattr(Refusing, "code", code)
    monkeypatch.setattr(acme, "AcmeSession", Refusing)
    files = AcmeFiles(tmp_path, directory="https://acme.example.org/directory", names=("live.example.org",))
    files.keep_order(OpenOrder(key_pem="a key", url="https://acme.example.org/order/1"))
    authority = AcmeAuthority(files, book=ChallengeBook())
    try:
        with pytest.raises(Unavailable, match=code):
            await authority.obtain(replaces_pem=None, on_order=lambda: None)
    finally:
        authority.close()
    assert authority.has_open_order is is_kept

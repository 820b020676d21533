"""What an ACME client must not forget when it dies: its account, and the order it is in the middle of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from app.adapters.certificates.files import load_record, remove, save_record


@dataclass(frozen=True, slots=True)
class Account:
    """`url`: None until the server has told it. `key_pem` signs every request."""

    directory: str = ""
    key_pem: str = field(default="", repr=False)
    url: str | None = None


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """`key_pem`: the key of the certificate to come. `url`: None while the server has not told that it took it.

    `answers`: a line of token and answer for each challenge, which a server asks for when it likes.
    """

    directory: str = ""
    names: tuple[str, ...] = ()
    key_pem: str = field(default="", repr=False)
    replaces: str | None = None
    url: str | None = None
    answers: tuple[str, ...] = ()


class AcmeFiles:
    """`directory` and `names`: an account of another server, an order of other names are none of ours."""

    def __init__(self, folder: Path, *, directory: str, names: tuple[str, ...]) -> None:
        self._account = folder / "account.json"
        self._order = folder / "order.json"
        self.directory = directory
        self.names = names

    def account(self) -> Account | None:
        found = load_record(self._account, Account, Account)
        return found if found.key_pem and found.directory == self.directory else None

    def keep_account(self, account: Account) -> None:
        save_record(self._account, replace(account, directory=self.directory))

    def order(self) -> OpenOrder | None:
        found = load_record(self._order, OpenOrder, OpenOrder)
        ours = found.key_pem and found.directory == self.directory and found.names == self.names
        return found if ours else None

    def keep_order(self, order: OpenOrder) -> None:
        save_record(self._order, replace(order, directory=self.directory, names=self.names))

    def drop_order(self) -> None:
        remove(self._order)

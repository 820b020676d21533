"""Our own pair as the monitor handles it: the one in use, and the book of orders beside it."""

from __future__ import annotations

from app.adapters.certificates.files import OrderBook
from app.adapters.certificates.serving import ServedPair
from app.domain.certificate import OrderLog, ServedChain


class OwnPair:
    """`served`: loaded already, or its ports are closed."""

    def __init__(self, served: ServedPair, book: OrderBook) -> None:
        self._served = served
        self._book = book

    def present(self) -> tuple[bytes, ServedChain] | None:
        pair = self._served.pair
        return None if pair is None else (pair.chain_pem, pair.chain)

    def replace(self, pair_pem: bytes) -> None:
        self._served.replace(pair_pem)

    def reload(self) -> bool:
        return self._served.reload()

    def orders(self) -> OrderLog:
        return self._book.orders()

    def note(self, log: OrderLog) -> None:
        self._book.note(log)

"""Orders certificates from an ACME server (RFC 8555), proving the names over HTTP.

After each step that the server remembers, what we must remember is on disk; what is left to do is read from the
server's state of the order. So whoever comes after a crash goes on with the same order. When to order, and whether
a certificate is fit for use, is others' business.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
from acme import messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.adapters.certificates import acme_wire as wire
from app.adapters.certificates.acme_files import Account, AcmeFiles, OpenOrder
from app.adapters.certificates.acme_session import AcmeSession
from app.adapters.certificates.challenges import ChallengeBook
from app.adapters.certificates.files import key_pem
from app.domain.certificate import RenewalWindow
from app.domain.errors import Unavailable
from app.ports.certificates import ValidationFailed
from app.runtime.clock import monotonic, utc_now
from app.version import __version__

ORDER_S: Final = 300.0
"""An order that takes longer is taken up again later."""
POLL_S: Final = 1.0
LONGEST_POLL_S: Final = 30.0
T = TypeVar("T")
_USER_AGENT: Final = f"encoder-manager/{__version__}"


class AcmeAuthority:
    """`at` is told the name of each step when it is done: tests end the world there.

    `contact`: an e-mail address, or nothing. `ca`: roots for the server itself, None: the system's.
    """

    def __init__(
        self,
        files: AcmeFiles,
        *,
        book: ChallengeBook,
        contact: str | None = None,
        ca: Path | None = None,
        at: Callable[[str], None] = lambda step: None,
        poll_s: float = POLL_S,
    ) -> None:
        self._files = files
        self._book = book
        self._contact = contact
        self._ca = ca
        self._at = at
        self._poll_s = poll_s
        self._ending = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="acme")
        order = files.order()
        self._tell(() if order is None else order.answers)

    @property
    def has_open_order(self) -> bool:
        return self._files.order() is not None

    async def clock(self) -> datetime:
        """What the server's answer is dated. Raises Unavailable.

        Its certificate is not verified, for that needs a clock that is right: who stands between can hold renewals
        up with it, and could as well cut the line.
        """
        timeout = aiohttp.ClientTimeout(total=wire.REQUEST_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._files.directory, ssl=False, allow_redirects=False) as answer,
            ):
                told = wire.dated(answer.headers.get("Date"))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the authority cannot be reached: {str(error) or 'no answer in time'}") from error
        if told is None:
            raise Unavailable("the authority's answer has no date")
        return told

    async def window(self, certificate_pem: bytes) -> RenewalWindow | None:
        return await self._in_thread(lambda: self._window(certificate_pem))

    async def obtain(self, *, replaces_pem: bytes | None, on_order: Callable[[], None]) -> bytes:
        return await self._in_thread(lambda: self._obtain(replaces_pem, on_order))

    async def settle(self) -> None:
        self._drop()

    def close(self) -> None:
        self._ending.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- in the thread

    def _window(self, certificate_pem: bytes) -> RenewalWindow | None:
        net = wire.network(self._account_key(), self._ca, _USER_AGENT)
        with wire.errors_of_ours(net):
            directory = messages.Directory.from_json(net.get(self._files.directory).json())
            name = wire.certificate_id(x509.load_pem_x509_certificate(certificate_pem))
            if name is None or "renewalInfo" not in directory.to_json():
                return None
            return wire.advice(net, directory["renewalInfo"], name, utc_now())

    def _obtain(self, replaces_pem: bytes | None, on_order: Callable[[], None]) -> bytes:
        net = wire.network(self._account_key(), self._ca, _USER_AGENT)
        with wire.errors_of_ours(net):
            session = AcmeSession(net, self._files.directory)
            self._sign_in(session)
            order = self._files.order() or self._begun(session, replaces_pem)
            if order.url is None:
                order = self._placed(session, order, on_order)
            return self._carried_out(session, order)

    def _account_key(self) -> ec.EllipticCurvePrivateKey:
        account = self._files.account()
        if account is None:
            account = Account(key_pem=key_pem(ec.generate_private_key(ec.SECP256R1())).decode("ascii"))
            self._files.keep_account(account)
        return _private_key(account.key_pem)

    def _sign_in(self, session: AcmeSession) -> None:
        """Asks for the account by its key, which makes it when the server does not know it (any more)."""
        account = self._files.account()
        assert account is not None, "its key was made before"
        url = session.account(self._contact)
        if url != account.url:
            self._files.keep_account(replace(account, url=url))
            self._at("account kept")

    def _begun(self, session: AcmeSession, replaces_pem: bytes | None) -> OpenOrder:
        replaces = None
        if replaces_pem is not None and session.knows_renewals:
            replaces = wire.certificate_id(x509.load_pem_x509_certificate(replaces_pem))
        key = key_pem(ec.generate_private_key(ec.SECP256R1())).decode("ascii")
        order = OpenOrder(names=self._files.names, key_pem=key, replaces=replaces)
        self._files.keep_order(order)
        self._at("key kept")
        return order

    def _placed(self, session: AcmeSession, order: OpenOrder, on_order: Callable[[], None]) -> OpenOrder:
        """The server may have taken it just before a crash: then it is looked up, not placed twice."""
        url = session.lost_order(order.names) or session.new_order(order.names, order.replaces)
        self._at("order placed")
        # Counted before it is kept: after a crash between the two it is found again, and counted twice.
        on_order()
        order = replace(order, url=url)
        self._files.keep_order(order)
        self._at("order kept")
        return order

    def _carried_out(self, session: AcmeSession, order: OpenOrder) -> bytes:
        """Whatever state the order is in, to its end."""
        assert order.url is not None, "it was placed"
        end = monotonic() + ORDER_S
        while monotonic() < end:
            try:
                body = session.read(order.url)
            except messages.Error as error:
                if wire.is_passing(session.net, error):
                    raise
                self._drop()
                raise Unavailable(f"the authority does not know the order any more: {wire.words(error)}") from error
            match body.status.name:
                case "pending":
                    order = self._prove(session, order, body)
                case "ready":
                    session.finalise(body.finalize, _request(order))
                    self._at("finalised")
                case "valid":
                    chain = session.certificate(body.certificate)
                    self._at("downloaded")
                    return order.key_pem.encode("ascii") + chain.encode("ascii")
                case "invalid":
                    self._drop()
                    raise ValidationFailed(f"the names could not be proved: {session.why_invalid(body)}")
            pause_s = wire.wait_s(session.net.retry_after)
            if self._ending.wait(self._poll_s if pause_s is None else min(pause_s, LONGEST_POLL_S)):
                raise Unavailable("this process ends")
        raise Unavailable("the order is not done yet")

    def _prove(self, session: AcmeSession, order: OpenOrder, body: Any) -> OpenOrder:
        """Every answer is kept before the first challenge is told: the server may ask after a crash of ours too."""
        found = [challenge for url in body.authorizations for challenge in session.open_challenges(url)]
        answers = tuple(f"{one.chall.encode('token')} {session.net.answer_to(one.chall)}" for one in found)
        if not set(answers) <= set(order.answers):
            order = replace(order, answers=answers)
            self._files.keep_order(order)
        self._tell(order.answers)
        for challenge in found:
            if challenge.status.name == "pending":
                session.answer(challenge)
                self._at("challenge told")
        return order

    def _tell(self, answers: tuple[str, ...]) -> None:
        self._book.put(dict(one.split(" ", 1) for one in answers))

    def _drop(self) -> None:
        self._files.drop_order()
        self._book.put({})


def _request(order: OpenOrder) -> x509.CertificateSigningRequest:
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in order.names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.add_extension(names, critical=False).sign(_private_key(order.key_pem), hashes.SHA256())


def _private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem.encode("ascii"), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), "we made it"
    return key

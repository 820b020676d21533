"""Mail to a real SMTP server: encrypted or not at all, and no text becomes a header."""

from __future__ import annotations

import asyncio
import email
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from structlog.testing import capture_logs

from app.adapters.notifiers import mail as module
from app.adapters.notifiers.mail import Mail
from app.domain.errors import InvalidRequest, InvalidSettings, NotAllowed, Unavailable
from app.domain.mail_tls import MailTls
from app.domain.secret import Secret
from tests.support.alerts import alert, group
from tests.support.certificates import Authority, write_pair


class Postbox:
    """What the server was given. `answer` None: it is taken."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.answers: list[str] = []
        self.rcpt: str | None = None
        self.rcpt_of: dict[str, str] = {}
        self.hangs_up_on_quit = False
        self.given: list[list[str]] = []
        self.delay_s = 0.0
        self.port = 0

    async def handle_RCPT(  # the name is the server's word
        self, server: object, session: object, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refused = self.rcpt_of.get(address, self.rcpt)
        if refused is not None:
            return refused
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:
        await asyncio.sleep(self.delay_s)
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        self.given.append(list(envelope.rcpt_tos))
        self.mails.append(email.message_from_bytes(envelope.content, policy=default))
        return "250 OK"

    async def handle_QUIT(self, server: SMTP, session: object, envelope: Envelope) -> str:
        if self.hangs_up_on_quit:
            assert server.transport is not None
            server.transport.abort()
        return "221 Bye"


@asynccontextmanager
async def served(tls: ssl.SSLContext | None, **options: Any) -> AsyncIterator[Postbox]:
    box = Postbox()
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(box, hostname="mail.test", loop=loop, tls_context=tls, enable_SMTPUTF8=True, **options)

    server = await loop.create_server(session, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture
def authority() -> Authority:
    return Authority.make()


@pytest.fixture
def server_tls(authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    pair = authority.leaf("localhost")
    certificate, key = write_pair(tmp_path, pair.key_pem, authority.chain(pair))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.fixture
def trusting(authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority.root.pem)
    return ssl.create_default_context(cafile=str(roots))


def mail(
    box: Postbox, context: ssl.SSLContext | None, *, tls: MailTls = MailTls.STARTTLS, user: str | None = None
) -> Mail:
    return Mail(
        host="localhost",
        port=box.port,
        sender="manager@example.org",
        recipients=("ops@example.org", "night@example.org"),
        tls=tls,
        user=user,
        password=Secret("CANARY-password"),
        link="https://manager.example/",
        context=context,
    )


async def test_a_mail_goes_out_over_tls_to_everybody(server_tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    async with served(server_tls, require_starttls=True) as box:
        await mail(box, trusting).send(group())
    (taken,) = box.mails
    assert taken["Subject"] == "[CRITICAL] encoder_offline: enc_a"
    assert taken["To"] == "ops@example.org, night@example.org"
    assert taken["Message-ID"] == "<msg_1@example.org>"
    assert "is in trouble" in taken.get_content()  # type: ignore[attr-defined]  # the default policy's message has it


async def test_a_server_that_offers_no_encryption_gets_no_mail() -> None:
    async with served(None) as box:
        with pytest.raises(NotAllowed, match="no encryption"):
            await mail(box, None).send(group())
        assert box.mails == []
        await mail(box, None, tls=MailTls.NONE).send(group())
        assert len(box.mails) == 1


async def test_a_certificate_that_nobody_vouches_for_gets_no_mail(server_tls: ssl.SSLContext) -> None:
    async with served(server_tls) as box:
        with pytest.raises(NotAllowed, match="certificate"):
            await mail(box, None).send(group())
    assert box.mails == []


async def test_greylisting_is_for_later_and_a_refusal_for_ever() -> None:
    async with served(None) as box:
        plain = mail(box, None, tls=MailTls.NONE)
        box.answers = ["451 4.7.1 Greylisted, try again", "554 5.7.1 No"]
        with pytest.raises(Unavailable):
            await plain.send(group())
        with pytest.raises(InvalidRequest):
            await plain.send(group())
        box.rcpt = "450 4.2.1 later"
        with pytest.raises(Unavailable):
            await plain.send(group())
        box.rcpt = "550 5.1.1 nobody"
        with pytest.raises(InvalidRequest):
            await plain.send(group())


async def test_a_server_that_hangs_up_on_the_farewell_has_taken_the_mail() -> None:
    async with served(None) as box:
        box.hangs_up_on_quit = True
        await mail(box, None, tls=MailTls.NONE).send(group())
        assert len(box.mails) == 1


async def test_who_is_greylisted_alone_gets_the_mail_later_and_nobody_gets_it_twice() -> None:
    async with served(None) as box:
        plain = mail(box, None, tls=MailTls.NONE)
        box.rcpt_of = {"night@example.org": "451 4.7.1 Greylisted, try again"}
        with pytest.raises(Unavailable, match="1 of 2"):
            await plain.send(group())
        box.rcpt_of = {}
        await plain.send(group())
        await plain.send(group(name="msg_2"))
        assert box.given == [["ops@example.org"], ["night@example.org"], ["ops@example.org", "night@example.org"]]


async def test_one_wrong_address_is_written_to_the_log_and_keeps_the_mail_from_nobody_else() -> None:
    async with served(None) as box:
        box.rcpt_of = {"night@example.org": "550 5.1.1 nobody"}
        with capture_logs() as logs:
            await mail(box, None, tls=MailTls.NONE).send(group())
        assert box.given == [["ops@example.org"]]
        assert [(one["log_level"], one["refused"]) for one in logs] == [("error", 1)]


async def test_a_wrong_password_is_refused_as_a_whole_and_never_told(
    server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    def refuse(*_: object) -> AuthResult:
        return AuthResult(success=False, handled=False)

    async with served(server_tls, require_starttls=True, authenticator=refuse) as box:
        with pytest.raises(NotAllowed) as refused:
            await mail(box, trusting, user="ops").send(group())
    assert "CANARY" not in f"{refused.value!r} {refused.value.__cause__!r}"


async def test_a_server_that_is_slow_or_away_costs_only_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOTAL_S", 0.2)
    async with served(None) as box:
        box.delay_s = 5.0
        sending = asyncio.create_task(mail(box, None, tls=MailTls.NONE).send(group()))
        turns = 0
        while not sending.done():
            await asyncio.sleep(0.005)
            turns += 1
        assert turns > 10
        with pytest.raises(Unavailable):
            await sending
    with pytest.raises(Unavailable):
        await mail(box, None, tls=MailTls.NONE).send(group())


@pytest.mark.parametrize(
    "text",
    [
        "a\r\nBcc: evil@example.org",
        "a\nX-Evil: 1\n\nbody",
        "a\r\n.\r\nMAIL FROM:<x>",
        "=?utf-8?q?a=0d=0aBcc:_e?=",
        "é😀",
        "é" * 400,
    ],
)
async def test_no_text_of_a_name_becomes_a_header_or_a_recipient(text: str) -> None:
    async with served(None) as box:
        await mail(box, None, tls=MailTls.NONE).send(group(alert(summary=text, subject=text), title=text))
    (taken,) = box.mails
    wanted = {"subject", "from", "to", "date", "message-id", "auto-submitted", "mime-version"}
    content = {"content-type", "content-transfer-encoding"}
    assert {name.lower() for name in taken} == wanted | content
    assert len(box.mails) == 1


def test_a_sender_that_is_no_address_is_refused() -> None:
    with pytest.raises(InvalidSettings):
        Mail(
            host="localhost",
            port=25,
            sender="a\r\nBcc: b@example.org",
            recipients=(),
            tls=MailTls.NONE,
            user=None,
            password=Secret(""),
            link="",
        )

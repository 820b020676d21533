"""Alerts by e-mail over SMTP (RFC 5321), encrypted unless an operator said otherwise (RFC 3207, RFC 8314)."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

import aiosmtplib
import structlog

from app.domain.alert import AlertGroup
from app.domain.errors import InvalidRequest, InvalidSettings, NotAllowed, Unavailable
from app.domain.mail_tls import MailTls
from app.domain.secret import Secret
from app.policy.alert_text import clean, lines

TOTAL_S: Final = 15.0
_PERMANENT: Final = 500
MAX_SUBJECT: Final = 150

log = structlog.get_logger()


class Mail:
    """`context`: None verifies the server's certificate by the system's roots."""

    name = "email"

    def __init__(
        self,
        *,
        host: str,
        port: int,
        sender: str,
        recipients: tuple[str, ...],
        tls: MailTls,
        user: str | None,
        password: Secret,
        link: str,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._sender = _address(sender)
        self._recipients = tuple(_address(text) for text in recipients)
        self._tls = tls
        self._user = user
        self._password = password
        self._link = link
        # Made once: to read the system's roots takes long enough to be felt by everybody else.
        self._context = context if context is not None else ssl.create_default_context()
        self._left: tuple[str, tuple[str, ...]] = "", ()
        """Of the mail with this id: those who shall have it later; the others have it."""

    async def send(self, group: AlertGroup) -> None:
        # A hung or slow server costs its own time only: all of it is awaited.
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            timeout=TOTAL_S,
            use_tls=self._tls is MailTls.TLS,
            start_tls=False,
            tls_context=self._context,
        )
        try:
            refused = await self._deliver(client, self._written(group), self._wanting(group.id))
        finally:
            client.close()
        self._sort_out(group.id, refused)

    def _wanting(self, message_id: str) -> tuple[str, ...]:
        name, left = self._left
        return left if name == message_id else tuple(one.addr_spec for one in self._recipients)

    def _sort_out(self, message_id: str, refused: Mapping[str, int]) -> None:
        """Raises Unavailable when some are to be tried again. `refused`: codes, by address."""
        later = tuple(address for address, code in refused.items() if code < _PERMANENT)
        if len(later) < len(refused):
            log.error(
                "the mail server refuses recipients", message_id=message_id, refused=len(refused) - len(later)
            )
        if later:
            self._left = message_id, later
            raise Unavailable(f"the mail server takes it later for {len(later)} of {len(self._recipients)}")

    async def _deliver(
        self, client: aiosmtplib.SMTP, message: EmailMessage, recipients: tuple[str, ...]
    ) -> Mapping[str, int]:
        """Who is refused while others are not, and by what code."""
        try:
            await client.connect()
            if self._tls is MailTls.STARTTLS:
                await self._encrypt(client)
            if self._user:
                await client.login(self._user, self._password.reveal())
            refused, _ = await client.send_message(message, recipients=recipients)
        except aiosmtplib.SMTPAuthenticationError as error:
            raise NotAllowed("the mail server refuses user or password") from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            raise _by_code(min(codes), "refuses the recipients") from error
        except aiosmtplib.SMTPResponseException as error:
            raise _by_code(error.code, "refuses the mail") from error
        except ssl.SSLError as error:
            raise NotAllowed("the mail server's certificate is not to be trusted") from error
        except aiosmtplib.SMTPException as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise NotAllowed("the mail server's certificate is not to be trusted") from error
            raise Unavailable(f"the mail server does not take it: {type(error).__name__}") from error
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"the mail server cannot be reached: {type(error).__name__}") from error
        # It has taken the mail: how it takes the farewell changes nothing.
        with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            await client.quit()
        return {address: answer.code for address, answer in refused.items()}

    @staticmethod
    async def _encrypt(client: aiosmtplib.SMTP) -> None:
        await client.ehlo()
        if not client.supports_extension("starttls"):
            raise NotAllowed("the mail server offers no encryption, so it gets no mail")
        await client.starttls()

    def _written(self, group: AlertGroup) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        # No text of a name can end a header: what steers is gone, and what a reader would decode to it is broken up
        # (RFC 2047 words: the standard library decodes them here, line ends and all).
        message["Subject"] = clean(group.title, MAX_SUBJECT).replace("=?", "= ?")
        message["From"] = self._sender
        message["To"] = self._recipients
        message["Date"] = group.at
        message["Message-ID"] = f"<{group.id}@{self._sender.domain or 'localhost'}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content("\n".join([*lines(group), "", f"more: {self._link}"]) + "\n")
        return message

    async def close(self) -> None:
        """Each message has a connection of its own."""


def _by_code(code: int, what: str) -> Unavailable | InvalidRequest:
    """4xx is for later, greylisting among it; 5xx for ever (RFC 5321, 4.2.1)."""
    text = f"the mail server {what} ({code})"
    return InvalidRequest(text) if code >= _PERMANENT else Unavailable(text)


def _address(text: str) -> Address:
    try:
        return Address(addr_spec=text.strip())
    except (ValueError, IndexError) as error:
        raise InvalidSettings("a mail address of the settings cannot be read") from error

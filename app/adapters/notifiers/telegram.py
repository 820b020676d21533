"""Alerts to a chat by the Bot API of Telegram (core.telegram.org/bots/api, sendMessage), over plain HTTP requests.

The token is part of the address, so no error and no log line ever holds that.
"""

from __future__ import annotations

import html
from typing import Any, Final

import aiohttp
import orjson

from app.adapters.notifiers.answers import TOTAL_S, reaching, read_some, refusal, retry_after_s
from app.domain.alert import AlertGroup
from app.domain.errors import NotAllowed
from app.domain.secret import Secret
from app.policy.alert_text import clean, lines

API: Final = "https://api.telegram.org"
MAX_UNITS: Final = 4_096
"""Of one message, after its markup is read: units of UTF-16."""
PACE_S: Final = 3.0
"""Telegram's FAQ for bots: 20 messages a minute to one group, and no more than one a second to any chat."""
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404
_ABOUT_TEXT: Final = ("message is too long", "text is empty", "parse entities")
"""In the description of a 400 that is the message's own fault."""


class Telegram:
    """`chat_id`: number or @name of the chat. `link`: where the whole is shown, put under what was cut."""

    name = "telegram"

    def __init__(
        self, *, token: Secret, chat_id: str, session: aiohttp.ClientSession, link: str, api: str = API
    ) -> None:
        self._token = token
        self._chat_id = chat_id
        self._session = session
        self._link = link
        self._api = api.rstrip("/")

    async def send(self, group: AlertGroup) -> None:
        status, why = await self._say(marked_up(group, self._link), is_html=True)
        if status == _BAD_REQUEST:
            # Whatever Telegram reads in the markup, plain text has none.
            status, why = await self._say(plain(group, self._link), is_html=False)
        if status == _NOT_FOUND:
            # The address holds the token: a bot that is not there is a wrong token.
            raise NotAllowed("telegram knows no bot with this token")
        if status == _BAD_REQUEST and not any(word in why.lower() for word in _ABOUT_TEXT):
            # A wrong chat refuses every message; somebody must hear of that, and none may be thrown away.
            raise NotAllowed(f"telegram refuses the chat: {clean(why, 100)}")
        if status:
            raise refusal(self.name, status, None)

    async def _say(self, text: str, *, is_html: bool) -> tuple[int, str]:
        """Status and description of the refusal; 0 when it was taken. Raises Unavailable with the time that
        Telegram named."""
        body: dict[str, Any] = {
            "chat_id": self._chat_id,
            "text": text,
            "link_preview_options": {"is_disabled": True},
        }
        if is_html:
            body["parse_mode"] = "HTML"
        url = f"{self._api}/bot{self._token.reveal()}/sendMessage"
        timeout = aiohttp.ClientTimeout(total=TOTAL_S)
        async with (
            reaching(self.name),
            self._session.post(url, json=body, timeout=timeout, allow_redirects=False) as answer,
        ):
            raw = await read_some(answer)
            said = _parsed(raw)
            if answer.status == 200 and said.get("ok") is True:
                return 0, ""
            named_s = _named_s(said)
            if answer.status == 429:
                header_s = retry_after_s(answer.headers.get("Retry-After"))
                raise refusal(self.name, 429, named_s if named_s is not None else header_s)
            return answer.status if answer.status != 200 else 502, str(said.get("description", ""))

    async def close(self) -> None:
        """The session is its maker's."""


def marked_up(group: AlertGroup, link: str) -> str:
    """Telegram's HTML: a bold title and a line for each alert, cut to what one message holds."""
    rows = _fitting(group, link)
    return "\n".join(
        [f"<b>{html.escape(rows[0], quote=False)}</b>", *(html.escape(row, quote=False) for row in rows[1:])]
    )


def plain(group: AlertGroup, link: str) -> str:
    return "\n".join(_fitting(group, link))


def _fitting(group: AlertGroup, link: str) -> list[str]:
    """Whole lines only: an entity that is cut in half is refused."""
    rows = [group.title]
    ending = f"more: {link}"
    room = MAX_UNITS - _units(group.title) - _units(ending) - 2
    for row in lines(group):
        room -= _units(row) + 1
        if room < 0:
            break
        rows.append(row)
    return [*rows, ending]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _named_s(answer: dict[str, Any]) -> float | None:
    parameters = answer.get("parameters")
    named = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return float(named) if isinstance(named, int | float) and not isinstance(named, bool) and named >= 0 else None

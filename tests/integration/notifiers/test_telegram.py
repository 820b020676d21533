"""Telegram as it answers on a bad day."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from app.adapters.notifiers import telegram as module
from app.adapters.notifiers.telegram import MAX_UNITS, Telegram
from app.domain.errors import InvalidRequest, NotAllowed, Unavailable
from app.domain.secret import Secret
from tests.support.alerts import alert, group
from tests.support.mouths import Mouth, Reply, mouth

TOKEN = "123456:CANARY-token"
LINK = "https://manager.example/"


@pytest.fixture
async def server() -> AsyncIterator[Mouth]:
    async with mouth() as taken:
        yield taken


@pytest.fixture
async def telegram(server: Mouth) -> AsyncIterator[Telegram]:
    async with aiohttp.ClientSession() as session:
        yield Telegram(token=Secret(TOKEN), chat_id="-100", session=session, link=LINK, api=server.url)


async def test_a_message_is_posted_to_the_chat_in_markup(telegram: Telegram, server: Mouth) -> None:
    await telegram.send(group())
    (heard,) = server.heard
    assert heard.path == f"/bot{TOKEN}/sendMessage"
    assert (heard.json["chat_id"], heard.json["parse_mode"]) == ("-100", "HTML")
    assert heard.json["text"].startswith("<b>[CRITICAL] encoder_offline: enc_a</b>\n")
    assert heard.json["text"].endswith(LINK)


async def test_told_to_wait_it_says_for_how_long(telegram: Telegram, server: Mouth) -> None:
    server.script = [
        Reply(429, {"ok": False, "parameters": {"retry_after": 7}}, {"Retry-After": "99"}),
        Reply(429, {"ok": False}, {"Retry-After": "31"}),
        Reply(429, None),
    ]
    for named_s in (7.0, 31.0, None):
        with pytest.raises(Unavailable) as refused:
            await telegram.send(group())
        assert refused.value.retry_after_s == named_s


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_blocked_or_unknown_it_is_refused_as_a_whole(telegram: Telegram, server: Mouth, status: int) -> None:
    server.usual = Reply(status, {"ok": False, "description": "Forbidden: bot was blocked"})
    with pytest.raises(NotAllowed) as refused:
        await telegram.send(group())
    assert "CANARY" not in f"{refused.value} {refused.value.__cause__!r} {telegram!r}"


async def test_an_answer_that_comes_in_pieces_is_read_whole(telegram: Telegram, server: Mouth) -> None:
    taken = {"ok": True, "result": {"text": "x" * 50}}
    busy = {"ok": False, "parameters": {"retry_after": 7}}
    server.script = [Reply(body=taken, is_crumbled=True), Reply(429, busy, is_crumbled=True)]
    await telegram.send(group())
    with pytest.raises(Unavailable) as refused:
        await telegram.send(group())
    assert refused.value.retry_after_s == 7.0


async def test_a_chat_that_is_not_there_is_no_fault_of_the_message(telegram: Telegram, server: Mouth) -> None:
    for text in ("Bad Request: chat not found", "Bad Request: group chat was upgraded to a supergroup chat"):
        server.usual = Reply(400, {"ok": False, "description": text})
        with pytest.raises(NotAllowed, match="chat"):
            await telegram.send(group())


async def test_what_telegram_cannot_read_as_markup_is_sent_plain(telegram: Telegram, server: Mouth) -> None:
    server.script = [Reply(400, {"ok": False, "description": "can't parse entities"})]
    await telegram.send(group(alert(summary="<b & c>")))
    assert "parse_mode" not in server.heard[1].json
    assert "<b & c>" in server.heard[1].json["text"]
    server.usual = Reply(400, {"ok": False, "description": "Bad Request: message is too long"})
    with pytest.raises(InvalidRequest):
        await telegram.send(group())


async def test_a_server_in_trouble_or_that_hangs_is_tried_again(
    telegram: Telegram, server: Mouth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOTAL_S", 0.2)
    server.script = [Reply(502, "x"), Reply(200, {"ok": False}), Reply(200, ["odd"]), Reply(hangs=True)]
    for _ in range(4):
        with pytest.raises(Unavailable) as refused:
            await telegram.send(group())
        assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize(
    "summary",
    ["<script>&amp;", "_*[`~>#+-=|{}.!", "😀" * 5_000, "x" * 10_000, "a\nb\u202ec\x00", "&lt;" * 2_000],
)
async def test_any_text_is_escaped_and_cut_to_what_one_message_holds(
    telegram: Telegram, server: Mouth, summary: str
) -> None:
    await telegram.send(group(*[alert(f"f{number}", summary=summary) for number in range(30)], title="<&" * 40))
    text = server.heard[0].json["text"]
    tags = re.findall(r"<[^>]*>", text)
    assert tags == ["<b>", "</b>"]
    shown = html.unescape(re.sub(r"</?b>", "", text))
    assert len(shown.encode("utf-16-le")) // 2 <= MAX_UNITS
    assert shown.endswith(f"more: {LINK}")
    assert "\x00" not in shown
    assert "\u202e" not in shown


async def test_alerts_that_are_not_listed_are_counted(telegram: Telegram, server: Mouth) -> None:
    await telegram.send(replace(group(*[alert(f"f{number}") for number in range(30)]), total=1_000))
    assert "... and 980 more" in server.heard[0].json["text"]

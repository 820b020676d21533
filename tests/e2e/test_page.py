"""The page in a real browser, against the whole system: what a person sees and does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.browser import Page, chromium
from tests.e2e.publishers import publishing
from tests.e2e.source import Source
from tests.e2e.system import System

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

STICKING_OUT = """[...document.querySelectorAll('.split > *, .stop')].filter(e => e.scrollWidth > e.clientWidth)
    .map(e => e.outerHTML)"""
LAST_FAILOVER = "document.querySelector('[data-fact=\"Last failover\"]').textContent"
EVIL_NAME = "<img src=x onerror=\"document.title='owned'\"> & <script>1</script>"


async def signed_in(page: Page, system: System) -> None:
    await page.open(f"{system.facts['control_url']}/#key={system.facts['api_key']}")
    await page.until("!document.querySelector('#board').hidden")
    await page.until("document.querySelector('#live').textContent === 'live'")


async def test_a_wrong_key_is_refused_in_words_and_a_right_one_lets_in(system: System) -> None:
    async with chromium() as page:
        await page.open(system.facts["control_url"])
        await page.type_into("#key", "emk_live_wrong")
        await page.click("#sign-in-form [type=submit]")
        await page.until("document.querySelector('#sign-in-error').textContent.length > 10")
        assert await page.run("sessionStorage.length") == 0
        page.complaints.clear()  # the refusal itself is written to the console by the browser
        await page.type_into("#key", system.facts["api_key"])
        await page.click("#sign-in-form [type=submit]")
        await page.until("document.querySelectorAll('[data-encoder]').length === 2")
        assert page.complaints == []


async def test_a_sign_in_link_works_once_and_leaves_no_key_in_the_address(system: System) -> None:
    async with chromium() as page:
        await signed_in(page, system)
        assert system.facts["api_key"] not in await page.run("location.href + document.referrer + document.cookie")
        assert system.facts["api_key"] not in await page.run("document.documentElement.outerHTML")
        await page.click("#sign-out")
        await page.until("!document.querySelector('#sign-in').hidden")
        assert await page.run("sessionStorage.length") == 0
        assert page.complaints == []


async def test_a_key_that_signed_out_is_not_used_again_by_a_dial_that_was_waiting(system: System) -> None:
    dial = """(async () => {
        const { follow } = await import('/static/live.js');
        const heard = {}, waiting = [];
        let dials = 0;
        globalThis.setTimeout = (work) => waiting.push(work);
        globalThis.io = () => ({ on: (event, work) => { heard[event] = work; }, disconnect() {},
                                 active: false, connect() { dials += 1; } });
        const stop = follow('token', () => {}, () => {});
        heard.disconnect('io server disconnect');
        heard.connect_error({ data: {} });
        if (LEAVES) stop();
        for (const work of waiting) work();
        return dials;
    })()"""
    async with chromium() as page:
        await page.open(system.facts["control_url"])
        assert await page.run(dial.replace("LEAVES", "false")) == 2
        assert await page.run(dial.replace("LEAVES", "true")) == 0


async def test_a_stream_opened_on_the_page_plays_on_it(
    system: System, source_file: Callable[[Source], Path]
) -> None:
    async with chromium() as page:
        await page.resize(1440, 900)
        await signed_in(page, system)
        await page.click("#open-new")
        await page.type_into("#f-name", EVIL_NAME)
        await choose(page, "#f-resolution", "640x360")
        await page.click("#new-stream [type=submit]")
        await page.until("document.querySelector('#opened').open")
        server = await page.run("document.querySelector('#o-server').textContent")
        key = await page.run("document.querySelector('#o-key').textContent")
        assert server == system.facts["rtmp_url"]
        assert key in await page.run("document.querySelector('#o-ffmpeg').textContent")
        await page.click("#opened .primary")
        assert key not in await page.run("document.documentElement.outerHTML")
        with publishing(source_file(Source(width=640, height=360)), f"{server}/{key}", "-stream_loop", "-1"):
            await page.until("document.querySelector('#detail .pill').textContent === 'live'", within_s=60)
            await page.until("document.querySelector('video')?.currentTime > 1", within_s=60)
            assert await page.run("document.querySelector('video').videoWidth") == 640
            await page.until("/[kM]bit/.test(document.querySelector('.figures').textContent)")
            await page.until("document.querySelector('[data-fact=Safety]').textContent === 'protected, warm'", 60)
            assert await page.run(LAST_FAILOVER) == "none yet"
            stream_id = await page.run("document.querySelector('[data-stream][aria-current]').dataset.stream")
            path = f"/api/streams/{stream_id}/drill"
            drilled = await asyncio.to_thread(system.call, "POST", path, {"kind": "kill"})
            assert (drilled.status, drilled.body["passed"]) == (200, True), drilled
            await page.until(f"{LAST_FAILOVER}.includes('0 frames lost, 0 twice')")
            await page.until("document.querySelector('#log').textContent.includes('switch measured: stall ')")
            for width in (1440, 1280, 1020, 390):
                await page.resize(width, 900)
                assert await page.run(STICKING_OUT) == []
        assert await page.run("document.querySelector('#detail-title').textContent") == EVIL_NAME
        assert await page.run("document.title") == "Encoder manager"
        await page.click("#detail .danger")
        await page.click("#confirm .danger")
        await page.until("document.querySelector('#detail .pill').textContent === 'ended'")
        assert page.complaints == []
        hosts = {urlsplit(url).netloc for url in page.requested if url.startswith("http")}
        assert hosts == {urlsplit(system.facts[name]).netloc for name in ("control_url", "http_url")}


async def test_an_encoder_is_drained_and_put_back_on_the_page(system: System) -> None:
    async with chromium() as page:
        await signed_in(page, system)
        first = "[data-encoder] button[data-focus$=-drain]"
        await page.click(first)
        await page.until(
            "[...document.querySelectorAll('[data-encoder] .pill')].some(e => e.textContent === 'draining')"
        )
        await page.click("[data-encoder] button[data-focus$=-undrain]")
        await page.until(
            "[...document.querySelectorAll('[data-encoder] .pill')].every(e => e.textContent === 'online')"
        )
        await page.until("document.querySelector('#log').textContent.includes('draining')")
        assert page.complaints == []


async def test_a_press_that_lasts_while_news_come_in_still_is_a_click(system: System) -> None:
    clock = "document.querySelector('#clock').textContent"
    async with chromium() as page:
        await signed_in(page, system)
        release = await page.press("[data-encoder] button[data-focus$=-drain]")
        for _ in range(3):  # readings come twice a second
            await page.until(f"{clock} !== {json.dumps(await page.run(clock))}")
        await release()
        await page.until("document.querySelectorAll('[data-encoder] [data-focus$=-undrain]').length === 1")
        await page.click("[data-encoder] button[data-focus$=-undrain]")
        await page.until("document.querySelectorAll('[data-encoder] [data-focus$=-drain]').length === 2")
        assert page.complaints == []


@pytest.mark.parametrize("width", [1440, 900, 390, 320])
async def test_nothing_sticks_out_at_any_width_and_everything_has_a_name(system: System, width: int) -> None:
    async with chromium() as page:
        await page.resize(width, 844)
        await signed_in(page, system)
        await page.click("#open-new")
        nameless = """[...document.querySelectorAll('input, select, button, video, dialog, section')].filter(e =>
            !(e.labels?.length || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') ||
              (e.tagName === 'BUTTON' && e.textContent.trim()) || (e.tagName === 'DIALOG' && !e.open)))
            .map(e => e.outerHTML)"""
        assert await page.run(nameless) == []
        assert await page.run("document.documentElement.scrollWidth <= innerWidth")
        assert await page.run("document.querySelector('#new-stream').scrollWidth <= innerWidth")


async def choose(page: Page, selector: str, value: str) -> None:
    await page.run(
        f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.value = {json.dumps(value)};"
        "e.dispatchEvent(new Event('change')); })()"
    )

from __future__ import annotations

import hashlib
import re
from importlib import resources
from typing import Any

from aiohttp import ClientSession

from app.api.page import policy

FILES = resources.files("app.dashboard")


async def test_the_page_comes_under_a_policy_without_inline_code_or_foreign_hosts(
    house: Any, http: ClientSession
) -> None:
    async with http.get(house.base) as response:
        text = await response.text()
        rules = response.headers["Content-Security-Policy"]
        assert response.status == 200
    assert "unsafe" not in rules
    assert "default-src 'self';" in rules
    assert "connect-src 'self' http://127.0.0.1:8081;" in rules
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=|https?://", text)


def test_no_file_of_the_page_makes_markup_out_of_text_or_names_another_server() -> None:
    for entry in FILES.iterdir():
        if entry.name.endswith(".js"):
            text = entry.read_text()
            found = re.findall(
                r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|https?://(?!www\.w3\.org)", text
            )
            assert found == [], entry.name


async def test_files_are_answered_from_memory_and_revalidated_by_tag(house: Any, http: ClientSession) -> None:
    async with http.get(f"{house.base}/static/app.js") as response:
        assert response.content_type == "text/javascript"
        tag = response.headers["ETag"]
    async with http.get(f"{house.base}/static/app.js", headers={"If-None-Match": tag}) as response:
        assert response.status == 304
    for path in ("/static/", "/static/../api.js", "/static/vendor/revendor.py", "/static/%2e%2e/page.py"):
        async with http.get(house.base + path) as response:
            assert response.status == 404, path


def test_foreign_files_are_those_whose_hash_and_licence_are_recorded() -> None:
    vendor = FILES / "vendor"
    readme = (vendor / "README.md").read_text()
    scripts = [entry for entry in vendor.iterdir() if entry.name.endswith(".js")]
    assert len(scripts) == 2
    for script in scripts:
        assert f"| `{script.name}` |" in readme
        assert hashlib.sha256(script.read_bytes()).hexdigest() in readme
        assert (vendor / f"{script.name.removesuffix('.min.js')}.LICENSE.txt").is_file()


def test_a_gateway_elsewhere_may_be_played_from_and_nothing_else() -> None:
    rules = dict(rule.split(" ", 1) for rule in policy(("https://media.example",)).split("; "))
    assert rules["media-src"] == "'self' https://media.example blob:"
    assert rules["connect-src"] == "'self' https://media.example"
    assert rules["frame-ancestors"] == "'none'"

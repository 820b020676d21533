"""The shipped configuration of Prometheus and Alertmanager as it is, but for addresses and how long it waits; and a
mail server, a Telegram and a webhook at its end."""

from __future__ import annotations

import asyncio
import email
import re
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Final

import yaml
from aiosmtpd.smtp import SMTP, Envelope

from tests.support.mouths import Mouth, Reply, mouth

ROOT: Final = Path(__file__).resolve().parents[2]
TEMPLATES: Final = ROOT / "alertmanager" / "templates"
SENT: Final = {"ok": True, "result": {"message_id": 1, "date": 0, "chat": {"id": -1, "type": "group"}}}
"""As the Bot API answers sendMessage."""
INTERVAL_S: Final = 8
"""In place of the minutes between two messages of a group."""


@dataclass(slots=True)
class Ends:
    """Where messages come out."""

    telegram: Mouth
    hook: Mouth
    smtp_port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        found = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(found, EmailMessage)
        self.mails.append(found)
        return "250 OK"

    def mailed(self) -> list[str]:
        bodies = [(one, one.get_body(("plain",))) for one in self.mails]
        return [f"{one['Subject']}\n{body.get_content() if body else ''}" for one, body in bodies]

    def said(self) -> list[str]:
        return [str(one.json["text"]) for one in self.telegram.heard]


@asynccontextmanager
async def ends() -> AsyncIterator[Ends]:
    loop = asyncio.get_running_loop()
    async with mouth(Reply(body=SENT)) as telegram, mouth() as hook:
        found = Ends(telegram, hook)
        server = await loop.create_server(lambda: SMTP(found, hostname="mail.test", loop=loop), "127.0.0.1", 0)
        found.smtp_port = server.sockets[0].getsockname()[1]
        try:
            yield found
        finally:
            server.close()
            await server.wait_closed()


async def until(what: str, texts: Callable[[], Sequence[object]], *parts: str, within_s: float = 60.0) -> None:
    """Until one of `texts` holds all `parts`."""

    def is_there() -> bool:
        return any(all(part in str(text) for part in parts) for text in texts())

    try:
        async with asyncio.timeout(within_s):
            while not is_there():  # noqa: ASYNC110 - other processes are waited for, which set no event
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{what}: nothing has {parts} within {within_s:g} s; there is {texts()}") from None


def changed(text: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        assert before in text, f"the shipped configuration has no {before!r} any more"
        text = text.replace(before, after)
    return text


def alertmanager_config(ends: Ends, *, control: str, key_file: Path) -> str:
    text = (ROOT / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8")
    return changed(
        text,
        {
            "global:\n": f"global:\n  telegram_api_url: {ends.telegram.url}\n",
            "mail.example.org:587": f"127.0.0.1:{ends.smtp_port}",
            "smtp_require_tls: true": "smtp_require_tls: false",
            "http://127.0.0.1:8080": control,
            "/etc/alertmanager/encoder-manager.key": str(key_file),
            "https://deadman.example.org/encoder-manager": f"{ends.hook.url}/deadman",
            "group_wait: 10s": "group_wait: 1s",
            "group_interval: 5m": f"group_interval: {INTERVAL_S}s",
            "group_interval: 1m": f"group_interval: {INTERVAL_S}s",
        },
    )


def prometheus_config(folder: Path, *, control: str, gateway: str, alertmanager: str, key: str) -> str:
    """Rules and key go into `folder`; what a rule waits for is cut to a second."""
    shutil.copytree(ROOT / "prometheus" / "rules", folder / "rules")
    for path in (folder / "rules").glob("*.yml"):
        path.write_text(re.sub(r"for: \w+$", "for: 1s", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
        yaml.safe_load(path.read_text(encoding="utf-8"))
    (folder / "encoder-manager.key").write_text(key)
    text = (ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    return changed(
        text,
        {
            "_interval: 15s": "_interval: 1s",
            '"127.0.0.1:9093"': f'"{alertmanager.removeprefix("http://")}"',
            '"127.0.0.1:8080"': f'"{control.removeprefix("http://")}"',
            '"127.0.0.1:8081"': f'"{gateway.removeprefix("http://")}"',
        },
    )

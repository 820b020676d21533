"""Killed at any moment between decision and acknowledgement, nothing is lost and little is said twice."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path

from tests.support.mouths import Mouth, Reply, mouth

ROOT = Path(__file__).resolve().parents[3]
ENCODERS = 8
KILLS = 8


async def live_a_while(database_url: str, server: Mouth, for_s: float | None) -> None:
    """One life of the sender, ended by SIGKILL `for_s` after it is up; None: once all was told."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.alerts.sender_process",
        database_url,
        server.url,
        str(ENCODERS),
        cwd=ROOT,
        stderr=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        if for_s is None:
            async with asyncio.timeout(40.0):
                while told(server).keys() != {f"enc_{number}" for number in range(ENCODERS)}:
                    await server.until(len(server.heard) + 1, deadline_s=40.0)
        else:
            await asyncio.sleep(for_s)  # the moment of the kill, not a wait for something
    finally:
        process.kill()
        await process.wait()


def told(server: Mouth) -> Counter[str]:
    """How many different messages named each encoder."""
    messages = {heard.json["id"]: heard.json for heard in server.heard}
    alerts = [alert for message in messages.values() for alert in message["alerts"]]
    return Counter(alert["subject"]["id"] for alert in alerts if alert["ended_at"] is None)


async def test_kills_at_any_moment_lose_no_alert_and_double_none_more_than_once(tmp_path: Path) -> None:
    moments = random.Random(7)
    database_url = f"sqlite+aiosqlite:///{tmp_path}/alerts.db"
    async with mouth(Reply(204, after_s=0.25)) as server:
        for _ in range(KILLS):
            await live_a_while(database_url, server, moments.uniform(0.8, 1.5))
        await live_a_while(database_url, server, None)
    assert set(told(server)) == {f"enc_{number}" for number in range(ENCODERS)}
    assert max(told(server).values()) == 1, "a second message for what was told already"
    sent = Counter(heard.json["id"] for heard in server.heard)
    # Only a message that was on its way when the kill came is repeated, under its old id.
    assert sum(sent.values()) - len(sent) <= KILLS

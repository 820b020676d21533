"""A small process that decides, keeps and sends alerts over SQLite: run it, kill it at any moment, run it again.

Arguments: database URL, URL of the webhook, and how many encoders are in trouble.
"""

from __future__ import annotations

import asyncio
import ipaddress
import sys

from app.adapters.notifiers.webhook import Webhook
from app.adapters.store.sql_store import SqlStore
from app.domain.events import Event
from app.domain.secret import Secret
from app.domain.severity import Severity
from app.monitoring.alert_board import AlertBoard
from app.monitoring.alert_sender import AlertSender
from app.monitoring.announcer import Announcer, Channel
from app.monitoring.outbox import Outbox
from app.runtime.bus import Bus
from tests.support.alerts import condition


def fail(error: BaseException) -> None:
    raise error


async def main(database_url: str, url: str, count: int) -> None:
    store = await SqlStore.open(database_url, seal_key=Secret("seal-key-of-the-killed-sender"))
    bus: Bus[Event] = Bus(fail)
    loopback = (ipaddress.ip_network("127.0.0.0/8"),)
    hook = Webhook(name="webhook", url=Secret(url), secret=Secret("0123456789abcdef"), allowed=loopback)
    outbox = Outbox(store=store.alerts, channels=[hook.name])
    announcer = Announcer(channels=[Channel(hook.name, Severity.INFO)], is_full=outbox.is_full)
    board = AlertBoard(
        store=store.alerts, bus=bus, outbox=outbox, announcer=announcer, tenant_of=lambda stream_id: None
    )
    sender = AlertSender(notifier=hook, outbox=outbox, tell=bus.tell)
    await board.load()
    bus.listen(board.hear)
    running = asyncio.gather(board.run(), sender.run())
    # The monitors say it again at each start, one after the other.
    for number in range(count):
        bus.tell(condition(subject=f"enc_{number}"))
        await asyncio.sleep(0.03)
    await running


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

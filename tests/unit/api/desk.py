"""The alert desk over a store in memory, with one channel that takes everything but what it is told to refuse."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.alert import AlertGroup
from app.domain.events import Event
from app.domain.ids import StreamId
from app.domain.severity import Severity
from app.monitoring.alert_board import AlertBoard
from app.monitoring.alert_desk import AlertDesk
from app.monitoring.alert_sender import AlertSender
from app.monitoring.announcer import Announcer, Channel
from app.monitoring.outbox import Outbox
from app.runtime.bus import Bus
from tests.support.alerts import MemoryAlerts
from tests.unit.api import fleet


class Told:
    name = "told"

    def __init__(self) -> None:
        self.groups: list[AlertGroup] = []

    async def send(self, group: AlertGroup) -> None:
        self.groups.append(group)

    async def close(self) -> None: ...


@dataclass
class Desk:
    desk: AlertDesk
    board: AlertBoard
    told: Told


def desk(bus: Bus[Event], streams: fleet.Streams) -> Desk:
    def tenant_of(stream_id: StreamId) -> str | None:
        record = streams.records.get(stream_id)
        return None if record is None else record.tenant

    store, told = MemoryAlerts(), Told()
    outbox = Outbox(store=store, channels=[told.name])
    announcer = Announcer(channels=[Channel(told.name, Severity.INFO)], is_full=outbox.is_full)
    board = AlertBoard(store=store, bus=bus, outbox=outbox, announcer=announcer, tenant_of=tenant_of)
    bus.listen(board.hear)
    sender = AlertSender(notifier=told, outbox=outbox, tell=bus.tell)
    return Desk(AlertDesk(board=board, outbox=outbox, senders=[sender], feeds=[]), board, told)

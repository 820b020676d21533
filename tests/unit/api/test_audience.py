"""Who hears what, and that nobody who has left is told anything more."""

from __future__ import annotations

from app.api.audience import Audience, Client
from app.api.stream_log import StreamLogs
from app.domain.access import Principal, Scope
from app.domain.events import StreamChanged, WorkerReplaced
from app.domain.ids import EncoderId, KeyId, StreamId
from app.domain.secret import Secret
from app.domain.stream import StreamState
from app.services.websocket_security import EVERYTHING, Outbox, Room
from tests.unit.api.fleet import T0

STREAM = StreamId("str_1")
ALL_STREAMS = Room("stream", EVERYTHING)
CHANGED = StreamChanged(STREAM, "acme", StreamState.LIVE, T0)
REPLACED = WorkerReplaced(STREAM, "acme", EncoderId("enc_a"), EncoderId("enc_b"), 2, "exited", T0)


class Hall:
    """An audience that takes who cannot be told what it must know, as the door does."""

    def __init__(self) -> None:
        self.taken: list[Client] = []
        self.logs = StreamLogs(log_id="log_1", floor=0)
        self.audience = Audience(metrics_of=lambda _: None, overrun=self._take, logs=self.logs, now=lambda: 0.0)

    def _take(self, client: Client) -> None:
        self.taken.append(client)
        self.audience.remove(client.sid)

    def admit(self, *, waiting: int = 256) -> Client:
        who = Principal(KeyId("key_1"), "acme", frozenset({Scope.READ}))
        client = Client("sid", "transport", who, Secret("key"), Outbox(waiting, 1_000_000))
        self.audience.add(client)
        return client


def test_a_client_that_left_while_its_room_was_looked_up_does_not_get_in() -> None:
    hall = Hall()
    client = hall.admit()
    hall.audience.remove(client.sid)
    hall.audience.enter(client, ALL_STREAMS, 100)
    hall.audience.hear(CHANGED)
    assert (len(client.outbox), client.rooms) == (0, set())


def test_a_client_too_far_behind_for_both_messages_of_one_event_is_taken_once() -> None:
    hall = Hall()
    client = hall.admit(waiting=1)
    hall.audience.enter(client, ALL_STREAMS, 100)
    hall.audience.hear(CHANGED)
    hall.audience.hear(REPLACED)
    assert hall.taken == [client]

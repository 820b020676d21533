"""Alerts over REST and Socket.IO: who sees which, acknowledging, silences, tests and Alertmanager's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from app.api.audience import Audience, Client
from app.api.stream_log import StreamLogs
from app.domain.access import Principal, Scope
from app.domain.alert import Alert
from app.domain.condition import Category, Subject, SubjectKind
from app.domain.errors import NotFound
from app.domain.events import AlertChanged, Event
from app.domain.ids import KeyId
from app.domain.notification import OutMessage
from app.domain.secret import Secret
from app.monitoring.alert_board import AlertBoard
from app.monitoring.alert_desk import AlertDesk
from app.monitoring.announcer import Announcer
from app.monitoring.outbox import Outbox as Letters
from app.runtime.bus import Bus
from app.runtime.clock import utc_now
from app.services.websocket_security import EVERYTHING, Outbox, Room
from tests.support.alerts import MemoryAlerts, alert, condition, group

PATH = "/api/monitoring/alerts"


async def get(http: ClientSession, house: Any, path: str, key: str = "read") -> tuple[int, Any]:
    async with http.get(house.base + PATH + path, headers=house.auth(key)) as answer:
        return answer.status, await answer.json()


async def post(
    http: ClientSession, house: Any, path: str, body: Any = None, key: str = "alerts"
) -> tuple[int, Any]:
    async with http.post(house.base + PATH + path, json=body, headers=house.auth(key)) as answer:
        return answer.status, await answer.json()


async def opened(http: ClientSession, house: Any, key: str) -> str:
    house.keys.give(key, Scope.READ, Scope.STREAMS, tenant=key)
    body = {"resolution": "1280x720", "bitrate": 3_000_000, "fps": 30}
    async with http.post(f"{house.base}/api/streams/init", json=body, headers=house.auth(key)) as answer:
        stream_id: str = (await answer.json())["stream_id"]
        return stream_id


async def test_what_fires_is_listed_and_can_be_filtered(house: Any, http: ClientSession) -> None:
    house.bus.tell(condition(rack="r1"))
    house.bus.tell(condition("encoder_hot", "enc_b"))
    status, answer = await get(http, house, "")
    assert status == 200
    assert [one["name"] for one in answer["alerts"]] == ["encoder_offline", "encoder_hot"]
    assert answer["alerts"][0]["labels"] == {"rack": "r1"}
    _, hot = await get(http, house, "?name=encoder_hot&severity=critical&silenced=false")
    assert [one["subject"]["id"] for one in hot["alerts"]] == ["enc_b"]
    assert (await get(http, house, "?severity=terrible"))[0] == 422


async def test_an_alert_about_a_stream_is_seen_by_its_tenant_and_admins_only(
    house: Any, http: ClientSession
) -> None:
    stream_id = await opened(http, house, "acme")
    house.keys.give("operator", Scope.READ, Scope.ALERTS, tenant="rival")
    house.bus.tell(condition("stream_failed", stream_id, kind=SubjectKind.STREAM))
    await house.board.look()
    for path in ("", "/history"):
        seen = {key: (await get(http, house, path, key))[1]["alerts"] for key in ("acme", "other", "admin")}
        assert [len(seen[key]) for key in ("acme", "other", "admin")] == [1, 0, 1], path
    fingerprint = seen["admin"][0]["fingerprint"]
    assert (await post(http, house, f"/{fingerprint}/acknowledge", key="operator"))[0] == 404
    assert (await post(http, house, f"/{fingerprint}/acknowledge", key="admin"))[0] == 200


async def test_an_alert_about_a_stream_that_nobody_knows_is_for_admins(house: Any, http: ClientSession) -> None:
    house.bus.tell(condition("stream_failed", "str_gone", kind=SubjectKind.STREAM))
    assert (await get(http, house, "", "read"))[1]["alerts"] == []
    assert len((await get(http, house, "", "admin"))[1]["alerts"]) == 1


def test_live_clients_hear_an_alert_about_a_stream_only_from_their_own_tenant() -> None:
    audience = Audience(
        metrics_of=lambda _: None,
        overrun=lambda _: None,
        logs=StreamLogs(log_id="log_1", floor=0),
        now=lambda: 0.0,
    )
    clients = {}
    for tenant in ("acme", "rival"):
        who = Principal(KeyId(tenant), tenant, frozenset({Scope.READ}))
        clients[tenant] = Client(tenant, tenant, who, Secret("key"), Outbox(256, 1_000_000))
        audience.add(clients[tenant])
        audience.enter(clients[tenant], Room("stream", EVERYTHING), 10)
        audience.enter(clients[tenant], Room("encoder", EVERYTHING), 10)
    audience.hear(AlertChanged(of_stream("str_1", "acme")))
    assert [len(clients[name].outbox) for name in ("acme", "rival")] == [1, 0]
    audience.hear(AlertChanged(of_stream("str_2", "")))
    assert [len(clients[name].outbox) for name in ("acme", "rival")] == [1, 0]
    audience.hear(AlertChanged(alert()))
    assert [len(clients[name].outbox) for name in ("acme", "rival")] == [2, 1]


def board(outbox: Letters) -> AlertBoard:
    announcer = Announcer(channels=[], is_full=outbox.is_full)
    bus: Bus[Event] = Bus(lambda _: None)
    return AlertBoard(store=MemoryAlerts(), bus=bus, outbox=outbox, announcer=announcer, tenant_of=lambda _: None)


def of_stream(stream_id: str, tenant: str) -> Alert:
    return Alert(
        fingerprint="f1",
        name="stream_failed",
        state=alert().state,
        severity=alert().severity,
        category=Category.STREAM_FAILED,
        subject=Subject(SubjectKind.STREAM, stream_id),
        summary="failed",
        labels=(),
        started_at=alert().started_at,
        updated_at=alert().started_at,
        tenant=tenant,
    )


async def test_who_acknowledges_is_shown(house: Any, http: ClientSession) -> None:
    house.bus.tell(condition())
    fingerprint = (await get(http, house, ""))[1]["alerts"][0]["fingerprint"]
    status, answer = await post(http, house, f"/{fingerprint}/acknowledge")
    assert (status, answer["acknowledged_by"] is not None) == (200, True)
    assert (await post(http, house, "/0000/acknowledge"))[0] == 404


async def test_a_silence_is_made_shown_on_the_alert_and_dropped(house: Any, http: ClientSession) -> None:
    house.bus.tell(condition(rack="r1"))
    body = {
        "matchers": [{"label": "rack", "pattern": "r*"}],
        "comment": "new fans",
        "ends_at": (utc_now() + timedelta(hours=1)).isoformat(),
        "window": {"starts": "00:00", "ends": "00:00", "zone": "Europe/Berlin"},
    }
    status, silence = await post(http, house, "/silences", body)
    assert status == 201
    await house.board.look()
    assert (await get(http, house, ""))[1]["alerts"][0]["silenced_by"] == silence["silence_id"]
    assert len((await get(http, house, "/silences", "alerts"))[1]["silences"]) == 1
    url = f"{house.base}{PATH}/silences/{silence['silence_id']}"
    async with http.delete(url, headers=house.auth("alerts")) as answer:
        assert answer.status == 200
    await house.board.look()
    assert (await get(http, house, ""))[1]["alerts"][0]["silenced_by"] is None


async def test_a_silence_is_its_tenants_and_hides_nothing_of_others(house: Any, http: ClientSession) -> None:
    stream_id = await opened(http, house, "acme")
    house.keys.give("rival", Scope.READ, Scope.ALERTS, tenant="rival")
    house.bus.tell(condition("stream_failed", stream_id, kind=SubjectKind.STREAM))
    ends = (utc_now() + timedelta(hours=1)).isoformat()
    body = {"matchers": [{"label": "severity", "pattern": "c*"}], "comment": "ours", "ends_at": ends}
    status, silence = await post(http, house, "/silences", body, "rival")
    assert status == 201
    await house.board.look()
    assert (await get(http, house, "", "acme"))[1]["alerts"][0]["silenced_by"] is None
    for key, count in (("alerts", 0), ("rival", 1), ("admin", 1)):
        assert len((await get(http, house, "/silences", key))[1]["silences"]) == count, key
    url = f"{house.base}{PATH}/silences/{silence['silence_id']}"
    for key, code in (("alerts", 404), ("rival", 200)):
        async with http.delete(url, headers=house.auth(key)) as answer:
            assert answer.status == code, key


async def test_a_dead_letter_that_tells_of_a_tenant_is_not_shown_to_another() -> None:
    outbox = Letters(store=MemoryAlerts(), channels=["told"])
    told = group(of_stream("str_1", "acme"))
    await outbox.put((), [OutMessage(told.id, "told", told, told.at)])
    await outbox.bury(await outbox.first("told"))
    desk = AlertDesk(board=board(outbox), outbox=outbox, senders=(), feeds=())
    for tenant, scope, count in (("rival", Scope.ALERTS, 0), ("acme", Scope.ALERTS, 1), ("rival", Scope.ADMIN, 1)):
        who = Principal(KeyId("k"), tenant, frozenset({scope}))
        assert len(await desk.dead_letters(who, limit=10)) == count
    with pytest.raises(NotFound):
        await desk.revive(told.id, Principal(KeyId("k"), "rival", frozenset({Scope.ALERTS})))


async def test_a_silence_that_can_never_work_is_refused(house: Any, http: ClientSession) -> None:
    ends = (utc_now() + timedelta(hours=1)).isoformat()
    rule = {"label": "name", "pattern": "encoder_*"}
    window = {"starts": "02:00", "ends": "03:00", "zone": "Nowhere/Else"}
    for body in (
        {"matchers": [{"label": "name", "pattern": "*"}], "comment": "all", "ends_at": ends},
        {"matchers": [rule], "comment": "c", "ends_at": "2020-01-01T00:00:00Z"},
        {"matchers": [rule], "comment": "c", "ends_at": "2030-01-01T00:00:00"},
        {"matchers": [rule], "comment": "c", "ends_at": ends, "window": window},
    ):
        assert (await post(http, house, "/silences", body))[0] in (400, 422), body


async def test_a_test_goes_through_each_channel(house: Any, http: ClientSession) -> None:
    status, answer = await post(http, house, "/test")
    assert (status, answer["channels"]) == (200, [{"name": "told", "waiting": 0, "fault": None}])


async def test_what_alertmanager_hands_in_is_shown_and_what_came_from_here_is_not(
    house: Any, http: ClientSession
) -> None:
    def handed(status: str) -> dict[str, Any]:
        ours = {"status": status, "labels": {"alertname": "encoder_hot", "source": "encoder-manager"}}
        theirs = {
            "status": status,
            "labels": {"alertname": "NodeDiskFull", "severity": "page", "encoder": "enc_a"},
            "annotations": {"summary": "disk\nfull"},
            "startsAt": "2026-11-20T12:00:00Z",
        }
        return {"version": "4", "groupKey": "{}", "receiver": "manager", "alerts": [ours, theirs]}

    assert await post(http, house, "/alertmanager", handed("firing")) == (200, {"taken": 1})
    await post(http, house, "/alertmanager", handed("firing"))
    found = (await get(http, house, ""))[1]["alerts"]
    assert [(one["name"], one["severity"], one["external"], one["summary"]) for one in found] == [
        ("NodeDiskFull", "critical", True, "disk full")
    ]
    await post(http, house, "/alertmanager", handed("resolved"))
    assert (await get(http, house, ""))[1]["alerts"] == []

"""Puts together what tells people: the board, its outbox, and a sender or feed for each channel that is set up."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from app.adapters.notifiers.alertmanager import Alertmanager
from app.adapters.notifiers.mail import Mail
from app.adapters.notifiers.telegram import PACE_S, Telegram
from app.adapters.notifiers.webhook import Webhook
from app.adapters.store.sql_store import SqlStore
from app.assembly.settings import Settings
from app.domain.events import Event
from app.domain.ids import EncoderId, GatewayId, StreamId
from app.domain.secret import Secret
from app.domain.severity import Severity
from app.monitoring.alert_board import AlertBoard
from app.monitoring.alert_desk import AlertDesk
from app.monitoring.alert_feed import AlertFeed
from app.monitoring.alert_metrics import AlertMetrics
from app.monitoring.alert_sender import AlertSender
from app.monitoring.announcer import Announcer, Channel
from app.monitoring.conditions import Conditions, Surroundings
from app.monitoring.outbox import Outbox
from app.policy.signs import Limits
from app.ports.notifier import AlertTaker, Notifier
from app.runtime.bus import Bus
from app.services.fleet import Fleet
from app.services.live_streams import LiveStreams

Loop = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    notifier: Notifier
    least: Severity
    pace_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How people are told. With `takers` the others tell only that those cannot be reached. Of none, alerts are
    only shown. `session` is closed with them."""

    told: tuple[Way, ...] = ()
    takers: tuple[AlertTaker, ...] = ()
    session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        for way in self.told:
            await way.notifier.close()
        if self.session is not None:
            await self.session.close()


NO_WAYS: Final = Ways()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerting:
    """`load` reads the store, then `loops` run; what `close` ends is not used after them."""

    desk: AlertDesk
    board: AlertBoard
    metrics: AlertMetrics
    load: Callable[[], Awaitable[None]]
    loops: tuple[Loop, ...]
    close: Callable[[], Awaitable[None]]


def alerting(
    *, store: SqlStore, bus: Bus[Event], fleet: Fleet, streams: LiveStreams, ways: Ways, limits: Limits
) -> Alerting:
    """Nobody is told before `load`."""
    outbox = Outbox(store=store.alerts, channels=[way.notifier.name for way in ways.told])
    channels = [Channel(way.notifier.name, way.least, only_channels=bool(ways.takers)) for way in ways.told]
    announcer = Announcer(channels=channels, is_full=outbox.is_full)
    board = AlertBoard(
        store=store.alerts, bus=bus, outbox=outbox, announcer=announcer, tenant_of=_tenant_in(streams)
    )
    senders = [
        AlertSender(notifier=way.notifier, outbox=outbox, tell=bus.tell, pace_s=way.pace_s) for way in ways.told
    ]
    feeds = [AlertFeed(taker=taker, active=board.active, tell=bus.tell) for taker in ways.takers]
    conditions = Conditions(around=_surroundings(store, fleet, streams), tell=bus.tell, limits=limits)

    async def load() -> None:
        await board.load()
        for listener in (board.hear, conditions.hear, *(feed.hear for feed in feeds)):
            bus.listen(listener)

    desk = AlertDesk(board=board, outbox=outbox, senders=senders, feeds=feeds)
    return Alerting(
        desk=desk,
        board=board,
        metrics=AlertMetrics(active=board.active, channels=desk.channels),
        load=load,
        loops=(board.run, conditions.run, *(one.run for one in senders), *(one.run for one in feeds)),
        close=ways.close,
    )


def ways_of(settings: Settings) -> Ways:
    """Every channel that is set up; call with a running loop. Raises InvalidSettings."""
    link = settings.alert_link or settings.control_urls[0]
    # What may be refused comes before the session, which nobody would close then.
    hooks = [Way(notifier=hook, least=settings.webhook_severity) for hook in _webhooks(settings)]
    session = aiohttp.ClientSession(trust_env=False)
    told: list[Way] = []
    if settings.telegram_chat_id:
        telegram = Telegram(
            token=settings.telegram_token,
            chat_id=settings.telegram_chat_id,
            session=session,
            link=link,
            api=settings.telegram_api,
        )
        told.append(Way(notifier=telegram, least=settings.telegram_severity, pace_s=PACE_S))
    if settings.alert_email:
        told.append(Way(notifier=_mail(settings, link), least=settings.email_severity))
    told += hooks
    takers = [Alertmanager(url=url, session=session, link=link) for url in settings.alertmanager_urls]
    return Ways(told=tuple(told), takers=tuple(takers), session=session)


def _mail(settings: Settings, link: str) -> Mail:
    roots = settings.smtp_ca
    return Mail(
        host=settings.smtp_host or "",
        port=settings.smtp_port,
        sender=settings.smtp_from,
        recipients=settings.alert_email,
        tls=settings.smtp_tls,
        user=settings.smtp_user,
        password=settings.smtp_password,
        link=link,
        context=None if roots is None else ssl.create_default_context(cafile=str(roots)),
    )


def _webhooks(settings: Settings) -> Iterable[Webhook]:
    urls = [url.strip() for url in settings.webhook_urls.reveal().split(",") if url.strip()]
    for number, url in enumerate(urls, 1):
        name = "webhook" if number == 1 else f"webhook-{number}"
        yield Webhook(
            name=name, url=Secret(url), secret=settings.webhook_secret, allowed=settings.allowed_private_targets
        )


def _surroundings(store: SqlStore, fleet: Fleet, streams: LiveStreams) -> Surroundings:
    def ejected() -> Iterable[tuple[EncoderId, str]]:
        for standing in fleet.standings():
            if standing.ejected is not None:
                yield standing.info.encoder_id, standing.ejected

    def gateway_of(stream_id: StreamId) -> GatewayId | None:
        stream = streams.find(stream_id)
        return None if stream is None else stream.record.gateway_id

    return Surroundings(
        encoder=fleet.info,
        ejected=ejected,
        gateway_of=gateway_of,
        has_stream=lambda stream_id: streams.find(stream_id) is not None,
        ping=store.ping,
    )


def _tenant_in(streams: LiveStreams) -> Callable[[StreamId], str | None]:
    def tenant(stream_id: StreamId) -> str | None:
        stream = streams.find(stream_id)
        return None if stream is None else stream.record.tenant

    return tenant

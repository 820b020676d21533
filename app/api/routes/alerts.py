"""Alerts: what is wrong now and was before, who keeps it quiet, and how people are told of it."""

from __future__ import annotations

from app.api.registry import Call, Endpoint, NoBody, RateKind
from app.api.schemas.alerts import (
    AlertList,
    AlertsQuery,
    AlertView,
    ChannelList,
    ChannelView,
    DroppedSilence,
    ExternalAlerts,
    HistoryQuery,
    LetterList,
    LettersQuery,
    LetterView,
    SilenceBody,
    SilenceList,
    SilenceView,
    TakenAlerts,
)
from app.api.services import DoorServices
from app.domain.access import Scope
from app.domain.errors import Conflict, InvalidRequest, NotFound, Unavailable
from app.monitoring.alert_desk import External

TAG = "alerts"


class AlertRoutes:
    def __init__(self, services: DoorServices) -> None:
        self._desk = services.alerts

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (*self._alerts(), *self._silences(), *self._channels())

    def _alerts(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="list_alerts",
                method="GET",
                path="/monitoring/alerts",
                handler=self.active,
                summary="What is wrong now: of the system, and of your streams",
                scope=Scope.READ,
                tag=TAG,
                body=AlertsQuery,
                answer=AlertList,
            ),
            Endpoint(
                name="list_alert_history",
                method="GET",
                path="/monitoring/alerts/history",
                handler=self.history,
                summary="What was wrong, newest first; the last 10,000 are kept",
                scope=Scope.READ,
                tag=TAG,
                body=HistoryQuery,
                answer=AlertList,
                errors=(InvalidRequest, Unavailable),
            ),
            Endpoint(
                name="acknowledge_alert",
                method="POST",
                path="/monitoring/alerts/{fingerprint}/acknowledge",
                handler=self.acknowledge,
                summary="You take care of it: nobody is told of it again while it lasts, only of its end",
                scope=Scope.ALERTS,
                tag=TAG,
                answer=AlertView,
                rate=RateKind.WRITE,
                errors=(NotFound,),
            ),
            Endpoint(
                name="receive_alerts",
                method="POST",
                path="/monitoring/alerts/alertmanager",
                handler=self.receive,
                summary="Receiver for an Alertmanager's webhook: its alerts are shown here beside ours",
                scope=Scope.ALERTS,
                tag=TAG,
                body=ExternalAlerts,
                answer=TakenAlerts,
                rate=RateKind.WRITE,
            ),
        )

    def _silences(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="list_silences",
                method="GET",
                path="/monitoring/alerts/silences",
                handler=self.list_silences,
                summary="Your tenant's silences and maintenance windows, to come, at work, and lately ended",
                scope=Scope.ALERTS,
                tag=TAG,
                answer=SilenceList,
            ),
            Endpoint(
                name="create_silence",
                method="POST",
                path="/monitoring/alerts/silences",
                handler=self.silence,
                summary="Keep alerts that you see from people for a time, or in a window of the week",
                scope=Scope.ALERTS,
                tag=TAG,
                body=SilenceBody,
                answer=SilenceView,
                status=201,
                rate=RateKind.WRITE,
                errors=(InvalidRequest, Conflict, Unavailable),
            ),
            Endpoint(
                name="drop_silence",
                method="DELETE",
                path="/monitoring/alerts/silences/{silence_id}",
                handler=self.unsilence,
                summary="End a silence: what still fires is told",
                scope=Scope.ALERTS,
                tag=TAG,
                answer=DroppedSilence,
                rate=RateKind.WRITE,
                errors=(NotFound, Unavailable),
            ),
        )

    def _channels(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                name="list_alert_channels",
                method="GET",
                path="/monitoring/alerts/channels",
                handler=self.channels,
                summary="How people are told, and what keeps a channel from it",
                scope=Scope.ALERTS,
                tag=TAG,
                answer=ChannelList,
            ),
            Endpoint(
                name="test_alert_channels",
                method="POST",
                path="/monitoring/alerts/test",
                handler=self.test,
                summary="Send a test through each channel, and answer how it went",
                scope=Scope.ALERTS,
                tag=TAG,
                answer=ChannelList,
                rate=RateKind.WRITE,
            ),
            Endpoint(
                name="list_dead_letters",
                method="GET",
                path="/monitoring/alerts/dead-letters",
                handler=self.dead_letters,
                summary="Messages that a channel refused for good, newest first",
                scope=Scope.ALERTS,
                tag=TAG,
                body=LettersQuery,
                answer=LetterList,
                errors=(Unavailable,),
            ),
            Endpoint(
                name="replay_dead_letter",
                method="POST",
                path="/monitoring/alerts/dead-letters/{message_id}/replay",
                handler=self.replay,
                summary="Send such a message once more, under its old id",
                scope=Scope.ALERTS,
                tag=TAG,
                answer=LetterView,
                rate=RateKind.WRITE,
                errors=(NotFound, Unavailable),
            ),
        )

    async def active(self, call: Call[AlertsQuery]) -> AlertList:
        return AlertList(alerts=[AlertView.of(one) for one in self._desk.active(call.who) if call.body.fits(one)])

    async def history(self, call: Call[HistoryQuery]) -> AlertList:
        before = call.body.before
        if before is not None and before.tzinfo is None:
            raise InvalidRequest("before needs an offset, such as 2026-11-20T12:00:00Z")
        found = await self._desk.history(call.who, limit=call.body.limit, before=before)
        return AlertList(alerts=[AlertView.of(alert) for alert in found])

    async def acknowledge(self, call: Call[NoBody]) -> AlertView:
        return AlertView.of(self._desk.acknowledge(call.params["fingerprint"], call.who))

    async def receive(self, call: Call[ExternalAlerts]) -> TakenAlerts:
        given = [External(one.labels, one.annotations, one.status == "firing") for one in call.body.alerts]
        return TakenAlerts(taken=self._desk.hand_in(given))

    async def list_silences(self, call: Call[NoBody]) -> SilenceList:
        return SilenceList(silences=[SilenceView.of(silence) for silence in self._desk.silences(call.who)])

    async def silence(self, call: Call[SilenceBody]) -> SilenceView:
        body = call.body
        silence = await self._desk.silence(
            call.who,
            matchers=body.rules(),
            comment=body.comment,
            starts_at=body.starts_at,
            ends_at=body.ends_at,
            window=body.times(),
        )
        return SilenceView.of(silence)

    async def unsilence(self, call: Call[NoBody]) -> DroppedSilence:
        silence_id = call.params["silence_id"]
        await self._desk.unsilence(silence_id, call.who)
        return DroppedSilence(silence_id=silence_id)

    async def channels(self, call: Call[NoBody]) -> ChannelList:
        return ChannelList(channels=[ChannelView.of(state) for state in self._desk.channels()])

    async def test(self, call: Call[NoBody]) -> ChannelList:
        return ChannelList(channels=[ChannelView.of(state) for state in await self._desk.test()])

    async def dead_letters(self, call: Call[LettersQuery]) -> LetterList:
        found = await self._desk.dead_letters(call.who, limit=call.body.limit)
        return LetterList(messages=[LetterView.of(message) for message in found])

    async def replay(self, call: Call[NoBody]) -> LetterView:
        return LetterView.of(await self._desk.revive(call.params["message_id"], call.who))

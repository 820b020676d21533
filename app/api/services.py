"""What the doors are built on: the services they call, handed in by assembly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.domain.access import Principal, Scope
from app.domain.errors import Unavailable
from app.domain.events import Event
from app.domain.ids import StreamId
from app.domain.session import Playback, StreamRecord
from app.monitoring.alert_desk import AlertDesk
from app.monitoring.cert_monitor import CertMonitor
from app.monitoring.error_analysis import ErrorAnalysis
from app.monitoring.thermal import ThermalMonitor
from app.runtime.bus import Bus
from app.services.aja_remediation_service import AjaRemediationService
from app.services.drill import DrillService
from app.services.encoder_service import EncoderService
from app.services.key_service import KeyService
from app.services.load_balancer import LoadBalancer
from app.services.performance_monitor import PerformanceMonitor
from app.services.stream_service import StreamService


@dataclass(frozen=True, slots=True)
class DoorServices:
    """`ready` says what is missing to open a stream now; empty: nothing."""

    streams: StreamService
    encoders: EncoderService
    balancer: LoadBalancer
    keys: KeyService
    drills: DrillService
    thermal: ThermalMonitor
    performance: PerformanceMonitor
    certificates: CertMonitor
    alerts: AlertDesk
    remedies: AjaRemediationService
    analysis: ErrorAnalysis
    bus: Bus[Event]
    ready: Callable[[], Awaitable[tuple[str, ...]]]
    media_origins: Callable[[], tuple[str, ...]]
    """Scheme, host and port of every gateway's HTTP side: the page plays from there."""
    prometheus: Callable[[], bytes]
    """The metrics in Prometheus' text format."""
    count_request: Callable[[str, int, float], None]
    """Told the name, status and seconds of each request of the API."""

    def places(self, record: StreamRecord) -> tuple[str | None, Playback]:
        """Where to publish (server part) and to watch; nothing while the stream's gateway has not been met."""
        try:
            return self.streams.places(record)
        except Unavailable:
            return None, Playback(None, None, None)

    def visible(self, who: Principal) -> frozenset[StreamId] | None:
        """The streams `who` may see; None: all."""
        if who.may(Scope.ADMIN):
            return None
        return frozenset(health.stream_id for health in self.streams.all_health(who))

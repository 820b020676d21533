"""A monitor of certificates that has nothing to look at."""

from __future__ import annotations

from app.domain.access import Principal
from app.domain.certificate import Place, ServedChain
from app.domain.errors import Unavailable
from app.domain.events import Event
from app.domain.ids import EncoderId
from app.monitoring.cert_monitor import CertMonitor
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now


class Blind:
    async def look(self, place: Place) -> ServedChain:
        raise Unavailable(f"{place.name} is dark")


async def nobody(encoder_id: EncoderId, fingerprint: str, who: Principal) -> None:
    raise AssertionError("there is no device")


def cert_watch(bus: Bus[Event]) -> CertMonitor:
    return CertMonitor(
        places=tuple,
        probe=Blind(),
        keeper=None,
        renewal=None,
        names=("live.example.org",),
        tell=bus.tell,
        trust=nobody,
        utc_now=utc_now,
        monotonic=monotonic,
    )

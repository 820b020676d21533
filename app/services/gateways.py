"""The gateways that are connected, and the orders they get."""

from __future__ import annotations

from collections import Counter
from typing import Final

from app.domain.errors import Unavailable
from app.domain.failover import DecidedBy
from app.domain.ids import GatewayId, StreamId
from app.domain.link import CloseChannel, GatewayHello, OpenChannel, SwitchInput, SwitchStream
from app.domain.session import Playback, StreamRecord
from app.domain.stream import Input
from app.ports.link import Downlink
from app.runtime.clock import monotonic
from app.services.live_streams import LiveStreams

RTMP_PORT: Final = 1935
RTMPS_PORT: Final = 443
ORDER_S: Final = 3.0


class Gateways:
    """Remembers a gateway that went away: its addresses stay true for the streams that run on it."""

    def __init__(self, *, downlink: Downlink, streams: LiveStreams) -> None:
        self._downlink = downlink
        self._streams = streams
        self._hellos: dict[GatewayId, GatewayHello] = {}
        self._arrived: dict[GatewayId, float] = {}

    def refusal(self, hello: GatewayHello) -> str | None:
        """Why the gateway may not come: another machine is here under its id."""
        known = self._hellos.get(hello.gateway_id)
        if known is None or not self.is_connected(hello.gateway_id):
            return None
        if None in (known.host_id, hello.host_id) or known.host_id == hello.host_id:
            return None
        return f"gateway_id {hello.gateway_id} is in use on another machine; set one of its own here"

    def arrived(self, hello: GatewayHello) -> None:
        self._hellos[hello.gateway_id] = hello
        self._arrived[hello.gateway_id] = monotonic()

    def is_connected(self, gateway_id: GatewayId) -> bool:
        return self._downlink.is_connected(gateway_id)

    def demand(self, gateway_id: GatewayId) -> None:
        """Raises Unavailable while the gateway is away."""
        if not self.is_connected(gateway_id):
            raise Unavailable(f"gateway {gateway_id} is not connected", retry_after_s=2.0)

    def stayed_since(self, gateway_id: GatewayId, at: float) -> bool:
        """Whether its link has not ended since then, in monotonic seconds."""
        return self.is_connected(gateway_id) and self._arrived.get(gateway_id, at) < at

    def connected(self) -> tuple[GatewayHello, ...]:
        return tuple(hello for hello in self._hellos.values() if self.is_connected(hello.gateway_id))

    def pick(self) -> GatewayHello:
        """The connected gateway with the fewest streams. Raises Unavailable."""
        here = self.connected()
        if not here:
            raise Unavailable(
                "no gateway is connected", hint="Is `encoder-manager gateway` running?", retry_after_s=2.0
            )
        if len(here) == 1:
            return here[0]
        load = Counter(stream.record.gateway_id for stream in self._streams)
        return min(here, key=lambda hello: (load[hello.gateway_id], hello.gateway_id))

    def of(self, gateway_id: GatewayId) -> GatewayHello:
        """Raises Unavailable when control has not met it since its start."""
        hello = self._hellos.get(gateway_id)
        if hello is None:
            raise Unavailable(f"gateway {gateway_id} has not connected yet", retry_after_s=2.0)
        return hello

    async def apply(self, record: StreamRecord) -> None:
        """Bring the stream's channel to its plan. Raises what the gateway answers, or Unavailable."""
        if record.plan is not None:
            await self._downlink.order(record.gateway_id, OpenChannel(record.plan), timeout_s=ORDER_S)

    async def switch(self, record: StreamRecord, generation: int, *, cause: str, decided_by: DecidedBy) -> None:
        """Give the stream to its standby at a segment border. Done when decided; raises the gateway's answer."""
        order = SwitchStream(record.stream_id, generation, cause, decided_by)
        await self._downlink.order(record.gateway_id, order, timeout_s=ORDER_S)

    async def switch_input(self, record: StreamRecord, name: Input, *, cause: str, decided_by: DecidedBy) -> None:
        """Have this input become the source at its next key frame. Done when noted; raises the gateway's answer."""
        order = SwitchInput(record.stream_id, name, cause, decided_by)
        await self._downlink.order(record.gateway_id, order, timeout_s=ORDER_S)

    async def close_channel(self, gateway_id: GatewayId, stream_id: StreamId, reason: str) -> None:
        await self._downlink.order(gateway_id, CloseChannel(stream_id, reason), timeout_s=ORDER_S)


def rtmp_url(gateway: GatewayHello) -> str:
    """Server part only: the key is entered apart."""
    return f"rtmp://{_host(gateway)}{_port(gateway.rtmp_port, RTMP_PORT)}/live"


def rtmps_url(gateway: GatewayHello) -> str | None:
    if gateway.rtmps_port is None:
        return None
    return f"rtmps://{_host(gateway)}{_port(gateway.rtmps_port, RTMPS_PORT)}/live"


def playback(gateway: GatewayHello, record: StreamRecord) -> Playback:
    base, name = gateway.http_url.rstrip("/"), record.playback_id
    return Playback(
        hls=f"{base}/hls/{name}/index.m3u8" if record.hls else None,
        http_flv=f"{base}/flv/{name}.flv",
        rtmp=f"rtmp://{_host(gateway)}{_port(gateway.rtmp_port, RTMP_PORT)}/play/{name}",
    )


def _host(gateway: GatewayHello) -> str:
    host = gateway.rtmp_host
    return f"[{host}]" if ":" in host else host


def _port(port: int, default: int) -> str:
    return "" if port == default else f":{port}"

"""Says where a stream would be placed now, without opening it: nothing is reserved, ordered or kept."""

from __future__ import annotations

from dataclasses import replace

from app.domain.errors import InvalidRequest
from app.domain.fleet import PlacementDecision
from app.domain.ladder import Ladder
from app.domain.session import StreamRequest
from app.domain.stream import EncodeSettings, StreamMode
from app.services.live_streams import need_of
from app.services.load_balancer import LoadBalancer
from app.services.stream_validator import StreamValidator


def consider(request: StreamRequest, *, validator: StreamValidator, balancer: LoadBalancer) -> PlacementDecision:
    """As an init would decide it: of a ladder that nobody asked for, the lowest rungs are left out before all of it
    is refused. A refusal is a decision, too: without primary. Raises InvalidRequest."""
    ladder, _ = validator.demand(request)
    if request.mode is not StreamMode.TRANSCODE:
        raise InvalidRequest("a stream that is passed through needs no encoder", hint="Ask with mode transcode.")
    whole = decision = _decide(request, ladder, balancer)
    while decision.primary_id is None and request.renditions is None and len(ladder.renditions) > 1:
        left_out, ladder = ladder.renditions[-1].name, replace(ladder, renditions=ladder.renditions[:-1])
        decision = _decide(request, ladder, balancer)
        decision = replace(decision, reasons=(*decision.reasons, f"from {left_out} down the ladder is left out"))
    return whole if decision.primary_id is None else decision


def _decide(request: StreamRequest, ladder: Ladder, balancer: LoadBalancer) -> PlacementDecision:
    encode = EncodeSettings(ladder, request.keyframe_interval_ms, request.preset, request.codec)
    return balancer.consider(need_of(ladder, encode, region=request.region, grade=request.standby))

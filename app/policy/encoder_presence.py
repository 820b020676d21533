"""Whether an encoder is there, from its last sign of life and its operator's wish. What follows is for others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.domain.encoder import EncoderState
from app.domain.fleet import OperatorWish

SUSPECT_S: Final = 1.5
"""Three heartbeats."""
OFFLINE_S: Final = 3.0
DEVICE_SUSPECT_S: Final = 5.0
"""A device is asked each second, and one answer of it may take four."""
DEVICE_OFFLINE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Presence:
    state: EncoderState
    reason: str | None


_ONLINE: Final = Presence(EncoderState.ONLINE, None)


def judge(*, last_heard: float, link_up: bool, wish: OperatorWish, now: float, is_device: bool = False) -> Presence:
    """`last_heard` and `now` in monotonic seconds. A lost link alone is only suspicious: it may be back at once.

    `is_device`: control asks it, where others tell by themselves.
    """
    suspect_s, offline_s = (DEVICE_SUSPECT_S, DEVICE_OFFLINE_S) if is_device else (SUSPECT_S, OFFLINE_S)
    silent_s = now - last_heard
    if silent_s >= offline_s:
        why = "no heartbeat" if link_up else "not connected"
        return Presence(EncoderState.OFFLINE, f"{why} for more than {offline_s:g} s")
    if wish is OperatorWish.STOPPED:
        return Presence(EncoderState.STOPPED, "an operator's wish")
    if wish is OperatorWish.DRAINING:
        return Presence(EncoderState.DRAINING, "an operator's wish")
    if not link_up:
        return Presence(EncoderState.SUSPECT, "its link broke")
    if silent_s >= suspect_s:
        return Presence(EncoderState.SUSPECT, f"no heartbeat for more than {suspect_s:g} s")
    return _ONLINE

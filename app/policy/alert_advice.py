"""What a person can do first about an alert, in one line. Pure.

Names that are not here need no advice: their summary says all, or the remedy is under way by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ADVICE: Final[Mapping[str, str]] = {
    "encoder_offline": "look whether its host has power and network; its streams run on where they had backups.",
    "encoder_ejected": "read its log and what failed on it; it gets streams again by itself once it is well.",
    "encoder_hot": "look after its cooling; new streams already go elsewhere.",
    "encoder_critical": "cool it now or take its streams away: `encoder-manager encoders drain`.",
    "sensor_lost": "its heat is unknown, so it gets no new streams: look after the sensor or its driver.",
    "heat_forecast": "look after its cooling before it gets too hot.",
    "cpu_high": "move streams away or lower their quality.",
    "memory_high": "look what uses the memory of that machine, and move streams away.",
    "storage_high": "delete or move old recordings on that machine.",
    "stream_failed": "look whether the publisher still sends, then which encoder could take it.",
    "stream_degraded": "look whether the publisher's network and the encoder keep up.",
    "stream_unprotected": "bring another encoder up: now one loss more interrupts this stream.",
    "stream_failed_over": "nothing at once: the backup has it; look why the first encoder was lost.",
    "drill_failed": "a real failover would fail the same way: read what the drill says.",
    "destination_refused": "look at the destination's address and key, and whether it is up.",
    "store_away": "bring the database back: streams run on, but nothing is written down.",
    "notifier_failed": "mend the channel's settings, then `encoder-manager alerts test`.",
    "clock_wrong": "set that machine's clock right (NTP).",
    "certificate_expiring": "see `encoder-manager certificates` for why it is not renewed.",
    "certificate_renewal_failed": "see `encoder-manager certificates`; it is tried again by itself.",
    "device_unreachable": "look whether it has power and network.",
    "device_login_refused": "give its password anew.",
    "device_input_lost": "look at the cable and at the source before the device.",
    "device_video_lost": "look at the cable, and whether the source's format is one that the device takes.",
    "device_storage_full": "delete recordings or change the medium.",
    "device_storage_damaged": "change the medium.",
}
"""By the name of the condition. One sentence each, such that somebody woken at night can follow it."""


def advice_for(name: str) -> str | None:
    return ADVICE.get(name)

"""Standings for tests of placement: one well encoder, and whole fleets that hypothesis draws."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from app.domain.encoder import (
    Capabilities,
    CodecProbe,
    EncoderInfo,
    EncoderKind,
    EncoderReading,
    EncoderState,
)
from app.domain.ids import EncoderId, HostId, NodeId
from app.policy.heat import Heat, Sense
from app.policy.placement import Need, Standing

WELL = EncoderReading(cpu_percent=20.0, memory_percent=30.0, temperature_c=50.0)
X264 = (CodecProbe("libx264", True),)
NVENC = (*X264, CodecProbe("h264_nvenc", True))


def standing(name: str, **changes: object) -> Standing:
    """An encoder at rest; `host`, `rack`, `region`, `model`, `capacity`, `probes`, `kind` go into its info."""
    given = {
        key: changes.pop(key, None) for key in ("host", "rack", "region", "model", "capacity", "probes", "kind")
    }
    able = Capabilities(
        given["model"],  # type: ignore[arg-type] # the tests give what fits
        8, 1 << 33, (),
        given["probes"] or X264,  # type: ignore[arg-type] # likewise
        10,
        given["capacity"] or 300e6,  # type: ignore[arg-type] # likewise
        "1",
    )  # fmt: skip
    info = EncoderInfo(
        EncoderId(name),
        NodeId(f"node-{name}"),
        HostId(str(given["host"] or f"host-{name}")),
        given["kind"] or EncoderKind.SOFTWARE,  # type: ignore[arg-type] # likewise
        name,
        able,
        region=given["region"],  # type: ignore[arg-type] # likewise
        rack=given["rack"],  # type: ignore[arg-type] # likewise
    )
    base = Standing(info, EncoderState.ONLINE, None, WELL, 1000.0, 0.0, 0)
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type] # likewise


HEATS = st.none() | st.builds(
    Heat,
    temperature_c=st.sampled_from([40.0, 60.0, 70.0, 79.0, 85.0, 97.0]),
    slope_c_per_min=st.sampled_from([None, -1.0, 0.5]),
    degrees_per_load=st.sampled_from([None, 10.0, 30.0]),
    sense=st.sampled_from(Sense),
)
READINGS = st.none() | st.builds(
    EncoderReading,
    cpu_percent=st.sampled_from([None, 10.0, 50.0, 90.0]),
    memory_percent=st.sampled_from([None, 20.0, 96.0]),
    temperature_c=st.sampled_from([None, 50.0, 72.0, 81.0, 96.0]),
)
STANDINGS = st.builds(
    standing,
    st.integers(0, 12).map(lambda number: f"e{number:02}"),
    host=st.sampled_from([None, "h1", "h2"]),
    rack=st.sampled_from([None, "r1", "r2"]),
    region=st.sampled_from([None, "eu", "us"]),
    model=st.sampled_from([None, "old", "new"]),
    capacity=st.sampled_from([0.0, 300e6, 600e6]),
    probes=st.sampled_from([X264, NVENC]),
    kind=st.sampled_from([EncoderKind.SOFTWARE, EncoderKind.SOFTWARE, EncoderKind.AJA_HELO]),
    state=st.sampled_from([EncoderState.ONLINE, EncoderState.ONLINE, EncoderState.ONLINE, EncoderState.DRAINING]),
    reading=READINGS,
    here_for_s=st.sampled_from([0.0, 11.0, 30.0, 1000.0]),
    promised_pixels_per_s=st.sampled_from([0.0, 0.0, 50e6, 280e6, 310e6]),
    promised_streams=st.sampled_from([0, 1, 10]),
    failures_lately=st.integers(0, 2),
    ejected=st.sampled_from([None, None, "rests"]),
    heat=HEATS,
    allowance=st.sampled_from([1.0, 1.0, 0.4, 0.0]),
    decline=st.sampled_from([0.0, 0.0, 0.5]),
    if_lost=st.sampled_from([{}, {}, {"h1": 40e6}, {"h1": 10e6, "h2": 90e6}]),
)
FLEETS = st.lists(STANDINGS, max_size=14)
NEEDS = st.builds(
    Need,
    st.sampled_from([1.0, 30e6, 250e6]),
    st.sampled_from(["auto", "auto", "h264_nvenc", "libx265"]),
    st.sampled_from([None, "eu"]),
    cores=st.sampled_from([(), (("old", 2.0), ("new", 0.5))]),
    shares_reserve=st.booleans(),
)

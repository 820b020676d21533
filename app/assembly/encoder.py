"""The encoder node's process: probe the machine, dial control, run workers until told to end."""

from __future__ import annotations

import asyncio
import signal
import sys

import av
import structlog

from app.adapters.host.machine import Machine
from app.adapters.host.machine_id import host_id
from app.adapters.link.uplink import WebSocketUplink
from app.assembly.settings import Settings
from app.domain.encoder import Capabilities, CodecProbe, EncoderInfo, EncoderKind
from app.domain.ids import EncoderId, HostId, NodeId
from app.media.encoding.node import EncoderNode
from app.media.encoding.probe import probe_all
from app.ports.host import HostFacts
from app.version import __version__

WORKER_COMMAND = (sys.executable, "-m", "app.assembly.worker")
PLANNED_PIXELS_PER_S_PER_CORE = 60_000_000.0
"""What one core is planned for with x264 veryfast, decoding included. A server core of 2022 does 140 million of a
test picture; film and sport take two to three times as much. Two of them carry 1080p30 with its ladder."""
_STREAMS_PER_CORE = 2
_MAX_STREAMS = 32

log = structlog.get_logger("encoder")


async def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT; the workers are stopped before it returns."""
    loop = asyncio.get_running_loop()
    caller = asyncio.current_task()
    assert caller is not None
    work = loop.create_task(_work(settings), name="encoder node")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        if caller.cancelling():
            raise
        log.info("encoder node ended")


async def _work(settings: Settings) -> None:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    machine = Machine(settings.data_dir)
    probes = await probe_all()
    tell_probes(probes)
    node = EncoderNode(
        info=describe(settings, machine.facts(), probes),
        version=__version__,
        host=machine,
        uplink=WebSocketUplink(control_url=settings.control_url, token=settings.link_token),
        command=WORKER_COMMAND,
        log=lambda event, given: log.info(event, **given),
    )
    await node.run()


def tell_probes(probes: tuple[CodecProbe, ...]) -> None:
    """One line: most machines lack most encoders, and that is no news."""
    for probe in probes:
        log.debug("encoder probed", codec=probe.codec, works=probe.works, reason=probe.reason)
    works = [probe.codec for probe in probes if probe.works]
    log.info("encoders probed", works=", ".join(works) or "none", refused=len(probes) - len(works))


def describe(settings: Settings, facts: HostFacts, probes: tuple[CodecProbe, ...]) -> EncoderInfo:
    return EncoderInfo(
        encoder_id=EncoderId(settings.encoder_id),
        node_id=NodeId(settings.encoder_id),
        host_id=HostId(settings.host_id) if settings.host_id else host_id(settings.data_dir),
        kind=EncoderKind.SOFTWARE,
        name=settings.encoder_name or settings.encoder_id,
        capabilities=Capabilities(
            cpu_model=facts.cpu_model,
            cpu_cores=facts.cpu_cores,
            memory_bytes=facts.memory_bytes,
            gpus=facts.gpus,
            probes=probes,
            max_streams=settings.max_streams or min(_MAX_STREAMS, facts.cpu_cores * _STREAMS_PER_CORE),
            capacity_pixels_per_s=facts.cpu_cores * PLANNED_PIXELS_PER_S_PER_CORE,
            build=media_build(),
        ),
        region=settings.region,
        rack=settings.rack,
    )


def media_build() -> str:
    """Version of PyAV and of the FFmpeg inside it."""
    return f"pyav-{av.__version__}-ffmpeg-{av.ffmpeg_version_info}"

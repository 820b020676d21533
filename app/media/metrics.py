"""The gateway's figures for Prometheus, read off its channels when asked, so they vanish with their stream.

Labels are ids alone: never a key, a playback id or a destination's address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.media.gateway import Gateway, Room


class GatewayCollector(Collector):
    """Register it with the registry that the door serves."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        rooms = list(self._gateway.rooms())
        channels = GaugeMetricFamily("encman_gateway_channels", "Open channels")
        channels.add_metric([], len(rooms))
        yield channels
        refused = CounterMetricFamily("encman_gateway_publish_refused", "Publishers refused")
        refused.add_metric([], self._gateway.refused)
        yield refused
        workers = CounterMetricFamily("encman_gateway_workers_refused", "Unknown or replaced workers turned away")
        workers.add_metric([], self._gateway.workers_refused)
        yield workers
        yield from _stream_metrics(rooms)
        yield from _switch_metrics(rooms)
        yield from _track_metrics(rooms)
        yield from _destination_metrics(rooms)
        yield from _recording_metrics(rooms)


def _stream_metrics(rooms: list[Room]) -> Iterator[Metric]:
    up = GaugeMetricFamily("encman_source_up", "1 while a publisher is connected", labels=["stream_id"])
    frames = CounterMetricFamily("encman_source_frames", "Source frames", labels=["stream_id"])
    gaps = CounterMetricFamily("encman_source_gaps", "Breaks of the source's clock", labels=["stream_id"])
    ring = GaugeMetricFamily("encman_ring_bytes", "Bytes in the replay ring", labels=["stream_id"])
    fenced = CounterMetricFamily("encman_fenced_frames", "Frames of old generations", labels=["stream_id"])
    viewers = GaugeMetricFamily("encman_viewers", "RTMP and HTTP-FLV viewers", labels=["stream_id"])
    lost = CounterMetricFamily("encman_viewer_frames_dropped", "Frames slow readers lost", labels=["stream_id"])
    for room in rooms:
        channel = room.channel
        labels = [channel.plan.stream_id]
        up.add_metric(labels, channel.source.is_up)
        frames.add_metric(labels, channel.source.meter.frames)
        gaps.add_metric(labels, channel.timeline.breaks)
        ring.add_metric(labels, channel.ring.size_bytes)
        fenced.add_metric(labels, channel.switch.fenced)
        viewers.add_metric(labels, channel.programme.viewers)
        lost.add_metric(labels, channel.programme.dropped)
    yield from (up, frames, gaps, ring, fenced, viewers, lost)


def _switch_metrics(rooms: list[Room]) -> Iterator[Metric]:
    generation = GaugeMetricFamily("encman_stream_generation", "The generation that speaks", labels=["stream_id"])
    ready = GaugeMetricFamily("encman_standby_ready", "1 while a proved standby waits", labels=["stream_id"])
    switches = CounterMetricFamily("encman_switches", "Workers that took over", labels=["stream_id", "kind"])
    for room in rooms:
        channel = room.channel
        stream_id = channel.plan.stream_id
        standby = channel.worker.standby
        generation.add_metric([stream_id], channel.switch.generation)
        ready.add_metric([stream_id], standby is not None and standby.is_ready)
        for kind, count in channel.switches.switched.items():
            switches.add_metric([stream_id, kind.value], count)
    yield from (generation, ready, switches)


def _track_metrics(rooms: list[Room]) -> Iterator[Metric]:
    frames = CounterMetricFamily("encman_track_frames", "Programme frames", labels=["stream_id", "track"])
    size = CounterMetricFamily("encman_track_bytes", "Programme bytes", labels=["stream_id", "track"])
    for room in rooms:
        for name, meter in room.channel.programme.meters.items():
            labels = [room.channel.plan.stream_id, name]
            frames.add_metric(labels, meter.frames)
            size.add_metric(labels, meter.bytes)
    yield from (frames, size)


def _destination_metrics(rooms: list[Room]) -> Iterator[Metric]:
    names = ["stream_id", "destination_id"]
    live = GaugeMetricFamily("encman_destination_live", "1 while the push is live", labels=names)
    sent = CounterMetricFamily("encman_destination_bytes", "Bytes pushed", labels=names)
    lost = CounterMetricFamily("encman_destination_frames_dropped", "Frames not pushed", labels=names)
    for room in rooms:
        for reading in room.outputs.readings():
            labels = [room.channel.plan.stream_id, reading.id]
            live.add_metric(labels, reading.state == "live")
            sent.add_metric(labels, reading.bytes_sent)
            lost.add_metric(labels, reading.frames_dropped)
    yield from (live, sent, lost)


def _recording_metrics(rooms: list[Room]) -> Iterator[Metric]:
    size = CounterMetricFamily("encman_recording_bytes", "Bytes recorded", labels=["stream_id"])
    failures = CounterMetricFamily("encman_recording_failures", "Times the disk failed", labels=["stream_id"])
    for room in rooms:
        written, failed = room.outputs.recording_bytes, room.outputs.recording_failures
        if written is not None and failed is not None:
            size.add_metric([room.channel.plan.stream_id], written)
            failures.add_metric([room.channel.plan.stream_id], failed)
    yield from (size, failures)

"""A fleet to analyse without any: who stands in which rack, which stream is where, and conditions about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from app.domain.alert import Alert
from app.domain.condition import Category, Condition, Subject, SubjectKind
from app.domain.encoder import Capabilities, EncoderInfo, EncoderKind
from app.domain.ids import EncoderId, GatewayId, HostId, NodeId, StreamId
from app.domain.severity import Severity
from app.monitoring.fault_labels import Map, StreamPlace
from tests.support.alerts import T0


@dataclass
class Plan:
    encoders: dict[str, EncoderInfo] = field(default_factory=dict)
    streams: dict[str, StreamPlace] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    """Host of each destination."""

    def machine(self, name: str, *, rack: str | None = None, region: str | None = None, build: str = "b1") -> None:
        can = Capabilities(None, None, None, (), (), max_streams=10, capacity_pixels_per_s=1e9, build=build)
        self.encoders[name] = EncoderInfo(
            EncoderId(name), NodeId(name), HostId(f"host-{name}"), EncoderKind.SOFTWARE, name, can, region, rack
        )

    def stream(self, name: str, encoder: str | None, *, gateway: str = "g1", device: str | None = None) -> None:
        self.streams[name] = StreamPlace(
            GatewayId(gateway),
            None if encoder is None else EncoderId(encoder),
            None if device is None else EncoderId(device),
        )

    def around(self) -> Map:
        return Map(
            encoders=lambda: self.encoders.values(),
            streams=lambda: ((StreamId(name), place) for name, place in self.streams.items()),
            encoder=self.encoders.get,
            stream=self.streams.get,
            host_of=lambda _, destination: self.hosts.get(destination),
        )


@dataclass
class Board:
    """What error analysis asks of the board of alerts."""

    alerts: dict[str, Alert] = field(default_factory=dict)
    blamed: list[tuple[str, str | None]] = field(default_factory=list)

    def active(self) -> tuple[Alert, ...]:
        return tuple(self.alerts.values())

    def blame(self, fingerprint: str, cause: str | None) -> None:
        self.blamed.append((fingerprint, cause))
        self.alerts[fingerprint] = replace(self.alerts[fingerprint], cause_fingerprint=cause)


def trouble(
    name: str,
    kind: SubjectKind,
    subject: str,
    *,
    severity: Severity = Severity.CRITICAL,
    category: Category = Category.ENCODER_OFFLINE,
    labels: dict[str, str] | None = None,
    after_s: float = 0.0,
    is_active: bool = True,
    summary: str | None = None,
) -> Condition:
    return Condition(
        name=name,
        subject=Subject(kind, subject),
        is_active=is_active,
        severity=severity,
        category=category,
        at=T0 + timedelta(seconds=after_s),
        summary=f"{subject}: {name}" if summary is None else summary,
        labels=tuple(sorted((labels or {}).items())),
    )

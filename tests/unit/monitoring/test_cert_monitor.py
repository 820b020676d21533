"""What is told of certificates: when it begins, while it lasts, when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.access import Principal, Scope
from app.domain.certificate import (
    CertificateFacts,
    OrderLog,
    Place,
    PlaceKind,
    ServedChain,
)
from app.domain.condition import Condition
from app.domain.errors import Conflict, NotFound, Unavailable
from app.domain.ids import EncoderId, KeyId
from app.domain.severity import Severity
from app.monitoring import cert_monitor
from app.monitoring.cert_metrics import CertificateMetrics
from app.monitoring.cert_monitor import CertMonitor

DAY = timedelta(days=1)
ADMIN = Principal(KeyId("key_a"), "", frozenset({Scope.ADMIN}))
BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
OURS = Place("https", PlaceKind.OWN, "127.0.0.1", 443, "live.example.org")
DEVICE = Place("device-helo", PlaceKind.DEVICE, "10.0.0.9", 443, "10.0.0.9", "ab" * 32, EncoderId("helo"))


def facts(name: str, *, days: float = 90, mark: str = "ab", issuer: str = "Root") -> CertificateFacts:
    return CertificateFacts(
        subject=name,
        issuer=issuer,
        names=(name,),
        not_before=BEGIN,
        not_after=BEGIN + days * DAY,
        fingerprint=mark * 32,
        serial="1",
        key="ec",
        key_bits=256,
        signature_hash="sha256",
        is_ca=issuer == name,
        is_for_servers=True,
        is_self_signed=issuer == name,
    )


def trusted(name: str, *, days: float = 90) -> ServedChain:
    return ServedChain((facts(name, days=days), facts("Root", days=3650)), reaches_root=True)


def self_made(name: str, mark: str = "ab") -> ServedChain:
    return ServedChain((facts(name, mark=mark, issuer=name, days=3650),), reaches_root=False)


@dataclass
class World:
    now: datetime = BEGIN + DAY
    places: list[Place] = field(default_factory=list)
    served: dict[str, ServedChain] = field(default_factory=dict)
    told: list[Condition] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    refuses: str | None = None
    on_disk_is_new: bool = False
    own: ServedChain | None = None

    async def look(self, place: Place) -> ServedChain:
        self.looks.append(place.name)
        if place.name not in self.served:
            raise Unavailable(f"{place.name} is dark")
        return self.served[place.name]

    def present(self) -> tuple[bytes, ServedChain] | None:
        return None if self.own is None else (b"", self.own)

    def replace(self, pair_pem: bytes) -> None:
        raise AssertionError("nobody renews here")

    def reload(self) -> bool:
        if self.refuses is not None:
            raise Conflict(self.refuses)
        return self.on_disk_is_new

    def orders(self) -> OrderLog:
        return OrderLog()

    def note(self, log: OrderLog) -> None:
        raise AssertionError("nobody orders here")

    def monitor(self) -> CertMonitor:
        return CertMonitor(
            places=lambda: self.places,
            probe=self,
            keeper=self,
            renewal=None,
            names=("live.example.org",),
            tell=self.told.append,
            trust=self.trust,
            utc_now=lambda: self.now,
            monotonic=lambda: (self.now - BEGIN).total_seconds(),
        )

    async def trust(self, encoder_id: EncoderId, fingerprint: str, who: Principal) -> None:
        self.places = [replace(DEVICE, pin=fingerprint)]

    def told_now(self) -> dict[str, Condition]:
        seen = {one.name: one for one in self.told}
        self.told.clear()
        return seen


async def test_a_good_certificate_is_nothing_to_tell() -> None:
    world = World(places=[OURS], served={"https": trusted("live.example.org")})
    await world.monitor().look()
    assert world.told == []


async def test_many_dark_devices_keep_no_round_so_long_that_what_holds_would_count_as_over() -> None:
    dark = [replace(DEVICE, name=f"device-{number}") for number in range(100)]
    world = World(places=[*dark, OURS], served={"https": self_made("live.example.org")})
    monitor = world.monitor()
    await monitor.look()
    assert len(world.looks) <= cert_monitor.AT_ONCE
    assert "https" in world.looks
    assert "certificate_bad_chain" in world.told_now()
    rounds = 1
    while monitor.is_behind:
        await monitor.look()
        rounds += 1
    assert sorted(world.looks) == sorted(place.name for place in world.places)
    assert rounds <= 101 / cert_monitor.AT_ONCE + 1


async def test_a_bad_chain_is_told_again_while_it_lasts_and_its_end_once() -> None:
    world = World(places=[OURS], served={"https": trusted("other.example.org")})
    monitor = world.monitor()
    for _ in range(2):
        await monitor.look()
        bad = world.told_now()["certificate_bad_chain"]
        assert (bad.is_active, bad.severity, bad.subject.id) == (True, Severity.CRITICAL, "https")
        assert "other.example.org" in bad.summary
        world.now += timedelta(seconds=30)
    assert world.looks == ["https"]
    world.served["https"] = trusted("live.example.org")
    world.now += timedelta(minutes=5)
    await monitor.look()
    assert not world.told_now()["certificate_bad_chain"].is_active
    await monitor.look()
    assert world.told == []


async def test_an_end_that_comes_near_is_told_without_another_look() -> None:
    world = World(places=[DEVICE], served={"device-helo": trusted("10.0.0.9")})
    monitor = world.monitor()
    await monitor.look()
    assert world.told_now() == {}
    loud = []
    for left in (14, 7, 3, -1):
        world.now = BEGIN + (90 - left) * DAY
        await monitor.look()
        ending = world.told_now()["certificate_expiring"]
        loud.append(ending.severity)
        assert ending.value == pytest.approx(left)
    assert loud == [Severity.INFO, Severity.WARNING, Severity.CRITICAL, Severity.CRITICAL]


async def test_a_device_may_sign_itself_when_it_is_the_one_that_was_accepted() -> None:
    world = World(places=[DEVICE], served={"device-helo": self_made("helo")})
    await world.monitor().look()
    assert world.told == []


async def test_another_certificate_of_a_device_is_never_taken_in_silence() -> None:
    world = World(places=[DEVICE], served={"device-helo": self_made("helo", mark="cd")})
    await world.monitor().look()
    told = world.told_now()
    changed = told["fingerprint_changed"]
    assert changed.severity is Severity.CRITICAL
    assert ("encoder", "helo") in changed.labels
    assert "cd" * 32 in changed.summary


async def test_consent_is_to_what_is_shown_and_to_nothing_else() -> None:
    world = World(places=[DEVICE, OURS], served={"device-helo": self_made("helo", mark="cd")})
    world.served["https"] = trusted("live.example.org")
    monitor = world.monitor()
    await monitor.look()
    for name, mark in (("device-helo", "ef"), ("https", "ab")):
        with pytest.raises(Conflict):
            await monitor.accept(name, mark * 32, ADMIN)
    with pytest.raises(NotFound):
        await monitor.accept("nothing", "cd" * 32, ADMIN)
    await monitor.accept("device-helo", "cd" * 32, ADMIN)
    world.told.clear()
    await monitor.look()
    assert not world.told_now()["fingerprint_changed"].is_active


async def test_a_port_of_ours_that_shows_nothing_is_told_and_a_device_that_is_away_is_not() -> None:
    world = World(places=[OURS, DEVICE])
    await world.monitor().look()
    assert [one.subject.id for one in world.told] == ["https"]
    assert world.told_now().keys() == {"certificate_not_served"}


async def test_a_place_that_is_no_more_is_forgotten_with_what_was_told_of_it() -> None:
    world = World(places=[OURS], served={"https": trusted("other.example.org")})
    monitor = world.monitor()
    await monitor.look()
    world.told.clear()
    world.places = []
    await monitor.look()
    assert not world.told_now()["certificate_bad_chain"].is_active
    assert monitor.all() == ()


async def test_a_refused_certificate_on_disk_is_told_until_it_is_mended() -> None:
    world = World(refuses="the new certificate is refused: it is incomplete")
    monitor = world.monitor()
    with pytest.raises(Conflict):
        monitor.reload()
    await monitor.look()
    assert "incomplete" in world.told_now()["certificate_renewal_failed"].summary
    world.refuses, world.on_disk_is_new = None, True
    assert monitor.reload()
    await monitor.look()
    assert not world.told_now()["certificate_renewal_failed"].is_active


async def test_a_clock_before_this_was_written_is_told() -> None:
    world = World(now=datetime(2019, 1, 1, tzinfo=UTC))
    await world.monitor().look()
    assert world.told_now()["clock_wrong"].severity is Severity.CRITICAL


async def test_only_what_an_authority_issues_can_be_renewed() -> None:
    world = World(places=[OURS, DEVICE], served={"https": trusted("live.example.org")})
    monitor = world.monitor()
    await monitor.look()
    with pytest.raises(NotFound):
        monitor.request_renewal("nothing")
    with pytest.raises(Conflict, match="device's own"):
        monitor.request_renewal("device-helo")
    with pytest.raises(Conflict, match="no authority"):
        monitor.request_renewal("https")


async def test_the_life_of_each_certificate_is_a_metric() -> None:
    world = World(places=[OURS, DEVICE], served={"https": trusted("live.example.org")})
    monitor = world.monitor()
    await monitor.look()
    ends, begins, accepted = CertificateMetrics(monitor.all).collect()
    assert ends.name == "encman_certificate_not_after_timestamp_seconds"
    assert [(one.labels, one.value) for one in ends.samples] == [
        ({"name": "https"}, (BEGIN + 90 * DAY).timestamp())
    ]
    assert [(one.labels, one.value) for one in begins.samples] == [({"name": "https"}, BEGIN.timestamp())]
    assert [one.value for one in accepted.samples] == [1.0]


async def test_a_port_is_looked_at_again_soon_until_it_serves_what_was_taken_up() -> None:
    old, new = self_made("live.example.org", mark="01"), trusted("live.example.org")
    world = World(places=[OURS], served={"https": old}, own=old)
    monitor = world.monitor()
    await monitor.look()
    world.own = new
    # The gateway has not looked at its files yet.
    await monitor.look()
    assert world.told_now()["certificate_bad_chain"].is_active
    world.served["https"] = new
    world.now += timedelta(minutes=1)
    await monitor.look()
    assert not world.told_now()["certificate_bad_chain"].is_active
    world.now += timedelta(minutes=4)
    await monitor.look()
    assert len(world.looks) == 3

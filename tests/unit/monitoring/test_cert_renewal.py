"""Two years of renewals in a moment, with an authority and a disk of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.certificate import CertificateFacts, OrderLog, RenewalWindow, ServedChain
from app.domain.errors import Conflict, TooManyRequests, Unavailable
from app.monitoring.cert_renewal import Renewal
from app.ports.certificates import ValidationFailed

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
NAME = "live.example.org"


def chain_of(number: int, not_before: datetime, life: timedelta) -> ServedChain:
    def one(subject: str, issuer: str, mark: str, ends: datetime) -> CertificateFacts:
        return CertificateFacts(
            subject=subject,
            issuer=issuer,
            names=(NAME,),
            not_before=not_before,
            not_after=ends,
            fingerprint=mark * 64,
            serial=str(number),
            key="ec",
            key_bits=256,
            signature_hash="sha256",
            is_ca=issuer == "Root",
            is_for_servers=True,
            is_self_signed=False,
        )

    leaf = one(NAME, "Root", f"{number % 10}", not_before + life)
    return ServedChain((leaf, one("Root", "Root", "f", not_before + 9000 * DAY)), reaches_root=True)


@dataclass
class World:
    """Authority and disk in one: its `now` is everybody's time, `true_now` that of the authority."""

    life: timedelta
    now: datetime = BEGIN
    off: timedelta = timedelta(0)
    advises: bool = False
    trouble: Callable[[], Exception | None] = lambda: None
    refuses: str | None = None
    chain: ServedChain | None = None
    log: OrderLog = field(default_factory=OrderLog)
    placed: list[datetime] = field(default_factory=list)
    renewed: list[tuple[datetime, datetime | None, datetime | None]] = field(default_factory=list)
    window_start: datetime | None = None
    is_away: bool = False
    has_open_order: bool = False

    async def clock(self) -> datetime:
        if self.is_away:
            raise Unavailable("away")
        return self.now - self.off

    async def window(self, certificate_pem: bytes) -> RenewalWindow | None:
        assert self.chain is not None
        if self.is_away:
            raise Unavailable("away")
        if not self.advises:
            return None
        leaf = self.chain.leaf
        start = self.window_start or leaf.not_before + leaf.lifetime * 0.6
        return RenewalWindow(start, start + leaf.lifetime * 0.05, self.now + 6 * HOUR)

    async def obtain(self, *, replaces_pem: bytes | None, on_order: Callable[[], None]) -> bytes:
        if not self.has_open_order:
            self.placed.append(self.now)
            on_order()
            self.has_open_order = True
        trouble = self.trouble()
        if isinstance(trouble, ValidationFailed):
            self.has_open_order = False
        if trouble is not None:
            raise trouble
        return b"pair"

    async def settle(self) -> None:
        self.has_open_order = False

    def present(self) -> tuple[bytes, ServedChain] | None:
        return None if self.chain is None else (b"chain", self.chain)

    def replace(self, pair_pem: bytes) -> None:
        if self.refuses is not None:
            raise Conflict(self.refuses)
        before = None if self.chain is None else self.chain.leaf
        self.renewed.append((self.now, before and before.not_before, before and before.not_after))
        self.chain = chain_of(len(self.renewed), self.now - HOUR, self.life)

    def reload(self) -> bool:
        return False

    def orders(self) -> OrderLog:
        return self.log

    def note(self, log: OrderLog) -> None:
        self.log = log

    def renewal(self) -> Renewal:
        return Renewal(keeper=self, authority=self, names=(NAME,), utc_now=lambda: self.now)

    async def live(self, renewal: Renewal, span: timedelta, step: timedelta = 2 * HOUR) -> None:
        end = self.now + span
        while self.now < end:
            await renewal.look()
            self.now += step


@pytest.mark.parametrize("advises", [False, True], ids=["alone", "advised"])
@pytest.mark.parametrize("days", [6, 45, 64, 90, 200])
async def test_no_certificate_expires_in_two_years(days: int, advises: bool) -> None:
    world = World(life=days * DAY, advises=advises)
    await world.live(world.renewal(), 730 * DAY)
    assert len(world.renewed) >= 730 // days
    shares = [(at - begin) / (end - begin) for at, begin, end in world.renewed if begin and end]
    least, most = (0.6, 0.66) if advises else (0.5, 0.56) if days < 10 else (2 / 3, 0.7)
    assert all(least - 0.001 <= share <= most for share in shares), shares
    assert len(world.placed) == len(world.renewed)


async def test_a_window_moved_into_the_past_renews_at_once() -> None:
    world = World(life=90 * DAY, advises=True)
    renewal = world.renewal()
    await world.live(renewal, DAY)
    world.window_start = world.now - 10 * DAY
    moved = world.now
    await world.live(renewal, DAY, timedelta(minutes=10))
    # The advice is asked for again within six hours; from then on nothing waits.
    assert world.renewed[-1][0] <= moved + 6 * HOUR + timedelta(minutes=10)


async def test_an_authority_away_for_a_week_costs_no_orders_and_no_certificate() -> None:
    world = World(life=90 * DAY)
    renewal = world.renewal()
    await world.live(renewal, 60 * DAY)
    world.is_away = True
    await world.live(renewal, 7 * DAY)
    assert renewal.state().failures > 3
    assert len(world.placed) == 1
    world.is_away = False
    await world.live(renewal, DAY)
    assert len(world.placed) == len(world.renewed) == 2
    assert renewal.state().failures == 0


async def test_proofs_that_fail_for_weeks_stay_within_the_limits() -> None:
    world = World(life=6 * DAY, trouble=lambda: ValidationFailed("no"))
    await world.live(world.renewal(), 30 * DAY, timedelta(minutes=5))
    times = world.placed
    assert len(times) > 8
    assert all(len([at for at in times if begin <= at < begin + 7 * DAY]) <= 4 for begin in times)
    assert all(len([at for at in times if begin <= at < begin + HOUR]) <= 3 for begin in times)


async def test_a_person_is_held_to_the_limits_too() -> None:
    world = World(life=90 * DAY, trouble=lambda: ValidationFailed("no"))
    renewal = world.renewal()
    for _ in range(3):
        renewal.wish()
        await renewal.look()
    with pytest.raises(TooManyRequests, match="within an hour") as refused:
        renewal.wish()
    assert refused.value.retry_after_s is not None


async def test_a_wish_renews_before_it_is_due() -> None:
    world = World(life=90 * DAY)
    renewal = world.renewal()
    await world.live(renewal, DAY)
    renewal.wish()
    await renewal.look()
    assert len(world.renewed) == 2


async def test_a_broken_certificate_leaves_the_present_one_and_is_told() -> None:
    world = World(life=90 * DAY)
    renewal = world.renewal()
    await world.live(renewal, 59 * DAY)
    present, world.refuses = world.chain, "the chain is incomplete"
    await world.live(renewal, 5 * DAY)
    assert world.chain is present
    assert renewal.state().last_error == "the chain is incomplete"
    assert not world.has_open_order


@pytest.mark.parametrize("years", [-2, 2])
async def test_a_wrong_clock_orders_nothing_and_is_told(years: int) -> None:
    world = World(life=90 * DAY)
    renewal = world.renewal()
    await world.live(renewal, 30 * DAY)
    right = world.now
    world.off = years * 365 * DAY
    world.now += world.off
    await world.live(renewal, 2 * DAY)
    assert len(world.placed) == 1
    assert renewal.state().clock_fault is not None
    world.off, world.now = timedelta(0), right + 2 * DAY
    await world.live(renewal, DAY)
    assert renewal.state().clock_fault is None
    await world.live(renewal, 40 * DAY)
    assert len(world.placed) == len(world.renewed) == 2


async def test_an_order_that_was_begun_before_a_restart_is_gone_on_with_at_once() -> None:
    world = World(life=90 * DAY)
    await world.live(world.renewal(), DAY)
    world.has_open_order = True
    await world.renewal().look()
    assert len(world.renewed) == 2
    assert len(world.placed) == 1


async def test_a_wish_while_the_authority_is_away_is_one_attempt_and_no_storm() -> None:
    world = World(life=90 * DAY)
    renewal = world.renewal()
    await world.live(renewal, DAY)
    world.is_away = True
    renewal.wish()
    await world.live(renewal, 8 * timedelta(minutes=1), timedelta(seconds=30))
    assert renewal.state().failures == 1
    world.is_away = False
    renewal.wish()
    await renewal.look()
    assert len(world.renewed) == 2


async def test_a_clock_that_cannot_be_checked_again_is_asked_about_in_peace() -> None:
    world = World(life=90 * DAY)
    renewal = world.renewal()
    await world.live(renewal, 59 * DAY)
    world.off = 730 * DAY
    world.now += world.off
    await renewal.look()
    assert renewal.state().clock_fault is not None
    world.is_away = True
    await world.live(renewal, 2 * HOUR, timedelta(seconds=30))
    assert renewal.state().failures <= 13


async def test_what_breaks_in_a_way_that_nobody_knows_is_not_tried_again_at_once() -> None:
    world = World(life=90 * DAY)
    world.trouble = lambda: RuntimeError("a fault of ours")
    renewal = world.renewal()
    for _ in range(10):
        try:
            await renewal.look()
        except RuntimeError:
            world.log = OrderLog()
        world.has_open_order = False
        world.now += timedelta(seconds=30)
    assert len(world.placed) == 1

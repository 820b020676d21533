"""Whether every stream keeps a place after the loss of a host, and which loss is the worst."""

from __future__ import annotations

from app.domain.ids import EncoderId, HostId, StreamId
from app.policy.reserve import Account, judge

H1, H2 = HostId("h1"), HostId("h2")


def account(name: str, firm: float, *, is_there: bool = True, **if_lost: float) -> Account:
    return Account(
        EncoderId(name), 100.0, firm, {HostId(host): pixels for host, pixels in if_lost.items()}, is_there
    )


def test_it_holds_while_the_largest_loss_alone_fits_everywhere() -> None:
    verdict = judge([account("a", 40.0, h1=60.0, h2=60.0), account("b", 100.0)], ())
    assert (verdict.holds, verdict.worst_host, verdict.shortfall_pixels_per_s) == (True, None, 0.0)


def test_the_worst_loss_is_named_with_what_finds_no_room() -> None:
    verdict = judge([account("a", 70.0, h1=40.0, h2=60.0), account("b", 90.0, h1=15.0, h2=20.0)], ())
    assert (verdict.holds, verdict.worst_host, verdict.shortfall_pixels_per_s) == (False, H2, 40.0)


def test_an_encoder_that_is_gone_keeps_no_place_for_anybody() -> None:
    verdict = judge([account("a", 0.0, h1=60.0, is_there=False)], ())
    assert (verdict.holds, verdict.worst_host, verdict.shortfall_pixels_per_s) == (False, H1, 60.0)


def test_one_that_is_over_full_already_is_not_told_to_give_more_than_comes_to_it() -> None:
    assert judge([account("a", 150.0, h1=10.0)], ()).shortfall_pixels_per_s == 10.0


def test_streams_without_a_second_place_are_named_and_counted() -> None:
    streams = [StreamId(f"s{number:03}") for number in range(120)]
    verdict = judge([account("a", 1.0)], reversed(streams))
    assert (verdict.holds, verdict.worst_host, verdict.without_place_count) == (False, None, 120)
    assert verdict.without_place == tuple(streams[:100])

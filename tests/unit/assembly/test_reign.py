"""Services act in their own reign, from when they know the store, and never in a later one of the same process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from app.assembly.reign import Reign
from app.services.leadership import Leadership


@dataclass
class Held:
    """What a leadership says at this moment."""

    epoch: int | None = None
    standby: str | None = "standby: beta leads"


def reign_of(held: Held) -> Reign:
    return Reign(cast(Leadership, held))


def test_they_act_from_the_beginning_and_let_clients_in_once_they_know_the_store() -> None:
    held = Held()
    reign = reign_of(held)
    assert (reign.epoch, reign.standby) == (None, "standby: beta leads")
    held.epoch, held.standby = 7, None
    assert (reign.epoch, reign.standby) == (None, "standby: this control is taking over")
    reign.begin(7)
    assert (reign.epoch, reign.standby) == (7, "standby: this control is taking over")
    reign.open()
    assert (reign.epoch, reign.standby) == (7, None)


def test_what_is_left_of_them_has_no_part_in_a_later_reign() -> None:
    held = Held(7, None)
    reign = reign_of(held)
    reign.begin(7)
    reign.open()
    held.epoch, held.standby = None, "standby: beta leads"
    assert (reign.epoch, reign.standby) == (None, "standby: beta leads")
    held.epoch, held.standby = 9, None
    assert reign.epoch is None
    assert reign.standby is not None

"""Keys that are guessed many at once count as if they came one by one."""

from __future__ import annotations

import asyncio
from collections import Counter

from app.api.access import Gatekeeper
from app.api.limits import DoorLimits, RateBooks
from app.domain.access import Principal, Scope
from app.domain.errors import ManagerError, NotAuthenticated, Unavailable
from app.domain.ids import KeyId
from app.domain.secret import Secret


class Keys:
    """Looks keys up somewhere else, as a store does; `looked_up` counts it."""

    def __init__(self) -> None:
        self.looked_up: list[str] = []
        self.away = False

    async def authenticate(self, text: str) -> Principal:
        self.looked_up.append(text)
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("the store is away")
        if not text.startswith("good"):
            raise NotAuthenticated("this is no valid API key")
        return Principal(KeyId(text), "acme", frozenset({Scope.READ}))


def gate(keys: Keys) -> Gatekeeper:
    return Gatekeeper(keys=keys, books=RateBooks(DoorLimits()), now=lambda: 0.0)


async def shown(gatekeeper: Gatekeeper, text: str, address: str = "192.0.2.1") -> str:
    try:
        return (await gatekeeper.admit(Secret(text), address)).key_id
    except ManagerError as error:
        return error.code


async def test_no_more_guesses_are_looked_at_when_they_come_all_at_once() -> None:
    keys = Keys()
    gatekeeper = gate(keys)
    codes = await asyncio.gather(*(shown(gatekeeper, f"guess{number}") for number in range(50)))
    assert Counter(codes) == {"not_authenticated": 5, "too_many_requests": 45}
    assert len(keys.looked_up) == 5


async def test_good_keys_of_one_address_that_come_all_at_once_are_let_in() -> None:
    codes = await asyncio.gather(
        *(shown(gatekeeper, f"good{number}") for gatekeeper in (gate(Keys()),) for number in range(50))
    )
    assert codes == [f"good{number}" for number in range(50)]


async def test_guesses_of_one_address_do_not_hold_up_another() -> None:
    keys = Keys()
    gatekeeper = gate(keys)
    guesses = [shown(gatekeeper, f"guess{number}") for number in range(50)]
    assert (await asyncio.gather(shown(gatekeeper, "good", "192.0.2.2"), *guesses))[0] == "good"
    assert keys.looked_up.index("good") < 2


async def test_what_waits_its_turn_is_forgotten_when_it_is_over_or_given_up() -> None:
    keys = Keys()
    gatekeeper = gate(keys)
    keys.away = True
    given_up = [asyncio.ensure_future(shown(gatekeeper, f"guess{number}")) for number in range(10)]
    await asyncio.sleep(0)
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)
    assert await shown(gatekeeper, "guess") == "unavailable"
    keys.away = False
    assert await shown(gatekeeper, "good") == "good"
    assert gatekeeper.waiting == 0

"""The link between control and what it steers: gateways and encoder nodes.

Both ends are ports: `Uplink` is held by a gateway or node, `Downlink` by control.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from app.domain.ids import GatewayId, NodeId
from app.domain.link import Fact, Hello, Order

PeerId = GatewayId | NodeId


class Uplink(Protocol):
    """Dials control, says hello, carries orders down and facts up, and dials again for ever when it breaks.

    `hello` is called at each connection. `perform` carries one order out; the ManagerError it raises is the
    answer. Orders of one link are performed in the order they came.
    """

    async def run(self, hello: Callable[[], Hello], perform: Callable[[Order], Awaitable[None]]) -> None: ...

    def tell(self, fact: Fact) -> None:
        """Queue a fact; never waits. While control is away the oldest readings are dropped first,
        facts that change state last (bounded)."""

    @property
    def connected(self) -> bool: ...


class LinkEvents(Protocol):
    """What control's side of the link reports to its owner. Called on the event loop, in order for each peer."""

    def refusal(self, hello: Hello) -> str | None:
        """Why this peer may not come in now, or None. Asked before its hello counts, or ends an older link."""

    async def on_hello(self, hello: Hello) -> None: ...

    async def on_fact(self, peer: PeerId, fact: Fact) -> None: ...

    async def on_lost(self, peer: PeerId, reason: str) -> None: ...


class Downlink(Protocol):
    async def order(self, peer: PeerId, order: Order, *, timeout_s: float = 5.0) -> None:
        """Send the order and wait until it is done.

        Raises the ManagerError the peer answered with; Unavailable when the peer is not connected,
        its link breaks, or it does not answer in time.
        """

    def is_connected(self, peer: PeerId) -> bool: ...

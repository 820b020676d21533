"""A hardware encoder over its own interface. Each make has its driver; a simulator can stand in for a device."""

from __future__ import annotations

from typing import Protocol

from app.domain.device import DeviceChoice, DeviceProfile, DeviceReading, Reach
from app.domain.encoder import Capabilities
from app.domain.ids import EncoderId


class HardwareEncoder(Protocol):
    """Calls take their turn: one request at a time goes to a device, so a slow one delays nobody else.

    Every call raises Unavailable when the device can't be reached, answers too late, or rests behind its circuit
    breaker; NotAuthenticated when it wants another password; DeviceError when it answered, but not as it should.
    A command is done when the device's own state says so, not when it said yes.
    """

    @property
    def encoder_id(self) -> EncoderId: ...

    @property
    def reach(self) -> Reach:
        """How the last try to speak with it ended; asks nothing of the device."""

    async def capabilities(self) -> Capabilities:
        """From the device's own descriptors; kept until its firmware changes."""

    async def read(self) -> DeviceReading:
        """What is due to be read now, over what was known before."""

    async def profile(self) -> DeviceProfile | None:
        """What the device holds now, secrets included; None: it can't stream as it is set."""

    async def configure(self, profile: DeviceProfile) -> None:
        """Write and read back. Raises Conflict while it streams or records, DeviceError with what did not take."""

    async def drift(self, profile: DeviceProfile) -> tuple[str, ...]:
        """Names, as the device has them, of settings that `configure(profile)` would change; never values."""

    async def choice(self, name: DeviceChoice) -> str | None:
        """What it holds now; None: it does not have it, or holds a value that has no word here."""

    async def choose(self, name: DeviceChoice, value: str) -> None:
        """Write and read back. Raises DeviceError where it has no such value, or did not take it."""

    async def start_stream(self) -> None:
        """Done when it streams; at once when it already does.

        Raises Conflict where its mode forbids it, DeviceError when it said yes and did not. It may go on trying by
        itself then: who does not want that stops it.
        """

    async def stop_stream(self) -> None:
        """Done when it does not stream; at once when it does not."""

    async def start_recording(self) -> None:
        """As `start_stream`."""

    async def stop_recording(self) -> None:
        """As `stop_stream`."""

    async def change_medium(self, slot: str) -> None:
        """Go on with the next medium of `slot`. Raises DeviceError with the device's reason."""

    async def leave_transfer_mode(self) -> None:
        """Back from file transfer to streaming and recording; cuts a running transfer off."""

    async def sync_clock(self) -> None:
        """Make it ask its time server anew, or set its clock where it has none: right to the minute.

        Raises Conflict while it streams or records, DeviceError when it does not take it.
        """

    async def sync_calendar(self) -> None:
        """Make it fetch its calendar anew; raises DeviceError where it has none."""

    async def reboot(self) -> None:
        """Sent once, never again: no answer counts as done, and its return is seen by `read`."""

    async def preview(self) -> bytes:
        """A small JPEG of the input."""

    async def close(self) -> None: ...

"""Whether a HELO is on, on its way up, down for a restart, or off; reboot loops. Pure."""

from __future__ import annotations

from app.simulators.helo.quirks import Timing
from app.simulators.helo.states import Boot


class Power:
    def __init__(self, timing: Timing, now: float) -> None:
        self._timing = timing
        self.up_at: float | None = now - timing.boot_s
        """From when the unit answers; None: it is off."""
        self.starts = 1
        self.downs = 0
        """How often it went down, for a restart or for good."""
        self.loops_left = 0
        """How often it still restarts by itself, as soon as it is up."""
        self.safeboot = False

    @property
    def is_off(self) -> bool:
        return self.up_at is None

    def is_up(self, now: float) -> bool:
        return self.up_at is not None and now >= self.up_at

    def boot(self, now: float) -> Boot:
        if self.up_at is None or now < self.up_at:
            return Boot.UNINITIALIZED
        step_s = self._timing.boot_s / Boot.RUNNING
        return Boot(min(Boot.RUNNING, int((now - self.up_at) / step_s))) if step_s else Boot.RUNNING

    def restart(self, now: float, *, down_s: float | None = None, safeboot: bool = False) -> None:
        self.up_at = now + (self._timing.down_s if down_s is None else down_s)
        self.starts += 1
        self.downs += 1
        self.safeboot = safeboot

    def off(self) -> None:
        self.up_at = None
        self.downs += 1

    def due(self, now: float) -> float | None:
        """When the next step of starting comes."""
        if self.up_at is None or self.boot(now) is Boot.RUNNING:
            return None
        if now < self.up_at:
            return self.up_at
        return self.up_at + (self.boot(now) + 1) * self._timing.boot_s / Boot.RUNNING

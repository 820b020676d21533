"""How long each of several things has been so. Pure; what they are is the caller's business."""

from __future__ import annotations


class Lasting:
    """Names, and since when each holds without a break."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def note(self, name: str, is_so: bool, now: float) -> None:
        if not is_so:
            self._since.pop(name, None)
        else:
            self._since.setdefault(name, now)

    def for_s(self, name: str, least_s: float, now: float) -> bool:
        """Whether it has been so for that long."""
        began = self._since.get(name)
        return began is not None and now - began >= least_s

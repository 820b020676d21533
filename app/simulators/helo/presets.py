"""Storing, recalling and erasing presets: each takes a moment and ends with a result. Pure."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from app.simulators.helo.memory import Memory
from app.simulators.helo.quirks import Timing
from app.simulators.helo.states import Result


class Deed(StrEnum):
    """Named like the parameter that asks for it; its result's name has `Result` after it."""

    RECALL = "RegisterRecall"
    SAVE = "RegisterSave"
    ERASE = "RegisterErase"


class Presets:
    """One thing at a time: what is asked while another is worked on takes its place."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._work: tuple[float, Deed, int] | None = None
        self._fails = False

    @property
    def due(self) -> float | None:
        return self._work[0] if self._work is not None else None

    def fail_next(self) -> None:
        """The next one comes to nothing."""
        self._fails = True

    def reset(self) -> None:
        self._work = None

    def ask(self, deed: Deed, number: int, now: float, memory: Memory) -> None:
        memory.put(f"{deed}Result", Result.WORKING)
        self._work = (now + self._timing.preset_s, deed, number)

    def tick(self, now: float, memory: Memory, *, is_busy: bool) -> None:
        """`is_busy`: streaming or recording, when nothing can be recalled."""
        if self._work is None or now < self._work[0]:
            return
        _, deed, number = self._work
        self._work = None
        fails, self._fails = self._fails, False
        if fails or (deed is Deed.RECALL and is_busy):
            result = Result.FAILED
        elif deed is not Deed.SAVE and memory.preset(number) is None:
            result = Result.EMPTY
        else:
            do: dict[Deed, Callable[[int], None]] = {
                Deed.RECALL: memory.recall_preset,
                Deed.SAVE: memory.save_preset,
                Deed.ERASE: memory.erase_preset,
            }
            do[deed](number)
            result = Result.DONE
        memory.put(f"{deed}Result", result)

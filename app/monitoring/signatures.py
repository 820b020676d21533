"""What a line written by a worker or a device is about, by the signatures of the pattern file.

Lines hold what others wrote, publishers among them. So they are matched in time linear to their length whatever a
signature says, are cut, and name nothing but the signature: no word of theirs goes anywhere from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import re2

MAX_SIGNATURES: Final = 60
MAX_EXPRESSION: Final = 500
MAX_LINE: Final = 2_000
MAX_MEMORY_BYTES: Final = 1 << 20
"""Of each compiled expression: one that needs more is refused, `x{1000}{1000}` among them."""


@dataclass(frozen=True, slots=True)
class Signature:
    """`source`: who writes such lines, worker or device. `expression`: RE2 syntax, found anywhere in a line."""

    id: str
    source: str
    expression: str


def compiled(expression: str) -> Any:
    """RE2's own object. Raises ValueError, in words for whoever wrote it."""
    if len(expression) > MAX_EXPRESSION:
        raise ValueError(f"an expression may have {MAX_EXPRESSION} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY_BYTES
    options.case_sensitive = False
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "unknown"
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"no expression that RE2 knows: {text}") from error


class Signatures:
    def __init__(self, signatures: Iterable[Signature] = ()) -> None:
        """Raises ValueError for an expression that cannot be compiled."""
        self._known = [(one, compiled(one.expression)) for one in signatures]

    def of(self, source: str, line: str) -> tuple[str, ...]:
        """Ids of the signatures that know it."""
        # A lone surrogate has no UTF-8, which is what RE2 reads.
        text = line[:MAX_LINE].encode("utf-8", "replace").decode("utf-8")
        return tuple(one.id for one, expression in self._known if one.source == source and expression.search(text))

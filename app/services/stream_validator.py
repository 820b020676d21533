"""Checks what a stream asks for before anything is reserved for it."""

from __future__ import annotations

from collections.abc import Collection

from app.domain.errors import InvalidRequest
from app.domain.ladder import Ladder
from app.domain.session import Advice, StreamRequest
from app.policy.outgoing import Network, judge_written
from app.policy.stream_rules import RuleVerdict, judge, key_is_well_formed


class StreamValidator:
    """`allowed_targets`: private networks that an operator released for destinations."""

    def __init__(self, *, allowed_targets: Collection[Network] = ()) -> None:
        self._allowed_targets = allowed_targets

    def check(self, request: StreamRequest) -> Advice:
        """The verdict; never raises. `errors` not empty: refuse."""
        return judge(request).advice

    def demand(self, request: StreamRequest) -> tuple[Ladder, Advice]:
        """What the stream gets. Raises InvalidRequest with every fault at once."""
        verdict: RuleVerdict = judge(request)
        errors = (*verdict.advice.errors, *self._refused_targets(request.destinations))
        if verdict.ladder is None or errors:
            raise InvalidRequest("; ".join(errors))
        return verdict.ladder, verdict.advice

    def _refused_targets(self, urls: tuple[str, ...]) -> list[str]:
        verdicts = (judge_written(url, allowed=self._allowed_targets) for url in urls)
        return [f"destinations[{place}]: {found.reason}" for place, found in enumerate(verdicts) if found]

    def check_key(self, key: str) -> bool:
        """Whether the text has the form of a stream key; says nothing about whose it is."""
        return key_is_well_formed(key)

"""Checks what a stream asks for before anything is reserved for it."""

from __future__ import annotations

from app.domain.errors import InvalidRequest
from app.domain.ladder import Ladder
from app.domain.session import Advice, StreamRequest
from app.policy.stream_rules import RuleVerdict, judge, key_is_well_formed


class StreamValidator:
    def check(self, request: StreamRequest) -> Advice:
        """The verdict; never raises. `errors` not empty: refuse."""
        return judge(request).advice

    def demand(self, request: StreamRequest) -> tuple[Ladder, Advice]:
        """What the stream gets. Raises InvalidRequest with every fault at once."""
        verdict: RuleVerdict = judge(request)
        if verdict.ladder is None:
            raise InvalidRequest("; ".join(verdict.advice.errors))
        return verdict.ladder, verdict.advice

    def check_key(self, key: str) -> bool:
        """Whether the text has the form of a stream key; says nothing about whose it is."""
        return key_is_well_formed(key)

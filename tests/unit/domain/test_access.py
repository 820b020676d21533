"""Who may do what."""

from __future__ import annotations

import pytest

from app.domain.access import Principal, Scope
from app.domain.ids import KeyId


@pytest.mark.parametrize("scope", Scope)
def test_a_scope_allows_itself_only_and_admin_allows_all(scope: Scope) -> None:
    holder = Principal(KeyId("key_1"), "t", frozenset({scope}))
    allowed = {asked for asked in Scope if holder.may(asked)}
    assert allowed == (set(Scope) if scope is Scope.ADMIN else {scope})

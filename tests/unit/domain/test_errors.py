"""The error tree: every error has a code of its own and says whether to try again."""

from __future__ import annotations

from app.domain import errors
from app.domain.errors import ManagerError


def tree() -> list[type[ManagerError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ManagerError)]


def test_codes_are_unique_so_that_a_peer_can_rebuild_the_error() -> None:
    codes = [kind.code for kind in tree()]
    assert len(set(codes)) == len(codes)


def test_the_tree_at_the_top_of_the_file_is_complete() -> None:
    assert errors.__doc__ is not None
    assert [kind.__name__ for kind in tree() if kind.__name__ not in errors.__doc__] == []


def test_an_error_carries_detail_and_hint() -> None:
    error = errors.TooManyRequests("slow down", hint="wait", retry_after_s=2.0)
    assert (str(error), error.detail, error.hint, error.retry_after_s) == ("slow down", "slow down", "wait", 2.0)
    assert error.retryable

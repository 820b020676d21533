"""The doctor finds fault with what it is given, and never fails itself."""

from __future__ import annotations

import pytest

from app.cli.client import Access
from app.cli.doctor import examine


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://127.0.0.1:port", "http://[::1"])
def test_an_address_that_is_none_is_a_finding(url: str) -> None:
    (finding,) = examine(Access(url=url, data_dir=None))
    assert url in finding.answer
    assert finding.advice

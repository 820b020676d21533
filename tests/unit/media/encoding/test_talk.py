"""Node and worker understand each other, and nothing secret shows."""

from __future__ import annotations

import select

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidRequest
from app.media.encoding.talk import (
    Farewell,
    Figures,
    Problem,
    order_line,
    read_order,
    read_report,
    report_line,
)
from tests.unit.media.encoding.test_roster import order


def test_an_order_arrives_whole_with_its_token() -> None:
    given_order = order("a", 7)
    assert read_order(order_line(given_order)) == given_order
    assert order_line(given_order).endswith(b"\n")


@pytest.mark.parametrize("line", [Figures(1, 0, None, 12.5, 0, "libx264"), Farewell(3, "no"), Problem("what")])
def test_reports_arrive_whole(line: Figures | Farewell | Problem) -> None:
    assert read_report(report_line(line)) == line


@pytest.mark.parametrize("text", ["x" * 10_000, "\U0001f600" * 2_000, "\0" * 5_000])
def test_a_report_is_written_whole_or_not_at_all_however_much_it_says(text: str) -> None:
    for line in (Farewell(5, text), Problem(text)):
        assert len(report_line(line)) <= select.PIPE_BUF
        assert isinstance(read_report(report_line(line)), type(line))


@given(st.binary(max_size=60))
def test_stray_output_is_no_report(line: bytes) -> None:
    assert read_report(line) is None


@pytest.mark.parametrize("line", [b"", b"{}", b"[1]", b'{"token": "hush-hush", "stream_id": 1}', b"\xff\xfe"])
def test_a_torn_order_is_refused_without_telling_its_token(line: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_order(line)
    assert "hush" not in refused.value.detail

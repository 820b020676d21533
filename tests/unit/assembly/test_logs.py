"""Logs say the fact and never the secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.assembly.logs import configure_logs, redact_text
from app.domain.secret import STARS, Secret

KEY = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4"


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    out = io.StringIO()
    root = logging.getLogger()
    before = root.handlers, root.level
    configure_logs(level="info", fmt="json", stream=out)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    root.handlers, root.level = before[0], before[1]


def test_a_fact_is_one_line_with_its_subjects(lines: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger("x").info("worker replaced", stream_id="str_1", generation=3, cause="died")
    (line,) = lines()
    assert line["event"] == "worker replaced"
    assert (line["stream_id"], line["generation"], line["cause"], line["level"]) == ("str_1", 3, "died", "info")


def test_lines_of_foreign_libraries_are_redacted_too(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger("foreign").warning("dialling %s", f"rtmp://example.org/live/{KEY}")
    (line,) = lines()
    assert KEY not in str(line)
    assert "rtmp://example.org/live/" in line["event"]


def test_a_traceback_keeps_its_place_and_loses_its_secret(lines: Callable[[], list[dict[str, Any]]]) -> None:
    try:
        raise ValueError(f"cannot open /live/{KEY}")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    (line,) = lines()
    assert "ValueError" in line["exception"]
    assert KEY not in str(line)


@pytest.mark.parametrize(
    "fact",
    [
        {"stream_key": KEY},
        {"token": KEY},
        {"link_token": KEY},
        {"password": KEY},
        {"headers": {"Authorization": f"Bearer {KEY}"}},
        {"url": f"rtmps://user:{KEY}@example.org/app/{KEY}"},
        {"url": f"postgresql+asyncpg://user:{KEY}@db/name"},
        {"path": f"/live/{KEY}"},
        {"path": f"live/{KEY}?x=1"},
        {"query": f"/ws?key={KEY}&a=b"},
        {"seen": [f"emk_live_{KEY}"]},
        {"secret_object": Secret(KEY)},
        {"nested": {"deep": [{"api_key": KEY}]}},
        {"error": ValueError(f"emk_live_{KEY}")},
        {"raw": f"Authorization: Bearer {KEY}".encode()},
        {"raw": f"BEARER {KEY}"},
        {"raw": f"basic {KEY}"},
    ],
    ids=str,
)
def test_no_form_of_a_secret_is_written(lines: Callable[[], list[dict[str, Any]]], fact: dict[str, Any]) -> None:
    structlog.get_logger("x").info("fact", **fact)
    (line,) = lines()
    assert KEY not in json.dumps(line)
    assert STARS in json.dumps(line)


def test_what_is_no_secret_stays(lines: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger("x").info("fact", key_id="key_1", rtmp_url="rtmp://h/live", seen=[1, None, True, 2.5])
    (line,) = lines()
    assert (line["key_id"], line["rtmp_url"], line["seen"]) == ("key_1", "rtmp://h/live", [1, None, True, 2.5])


@given(
    st.text(alphabet="ABCDEFabcdef0123456789_-", min_size=16, max_size=64),
    st.text(max_size=30),
    st.sampled_from([" ", '"', "'", ">", "\n"]),
)
def test_a_stream_key_in_an_address_is_found_in_any_text(key: str, around: str, end: str) -> None:
    text = redact_text(f"{around} rtmp://host:1935/live/{key}{end}{around}")
    assert f"/live/{key}" not in text


@pytest.fixture
def pretty() -> Iterator[io.StringIO]:
    out = io.StringIO()
    root = logging.getLogger()
    before = root.handlers, root.level
    configure_logs(level="warning", fmt="pretty", stream=out)
    yield out
    root.handlers, root.level = before[0], before[1]


def test_the_pretty_form_is_redacted_as_well(pretty: io.StringIO) -> None:
    structlog.get_logger("x").warning("fact", token=KEY)
    structlog.get_logger("x").info("too quiet")
    assert "fact" in pretty.getvalue()
    assert KEY not in pretty.getvalue()
    assert "too quiet" not in pretty.getvalue()


EVIL = "x\n2026-01-01 [info] all is well\x1b[2J\x9b\u2028"


def test_what_peers_say_can_neither_begin_a_line_nor_steer_a_terminal(pretty: io.StringIO) -> None:
    logging.getLogger("foreign").warning("invalid session %s", EVIL)
    structlog.get_logger("x").warning("fact", software=EVIL, seen=[EVIL], **{"na\nme": 1})
    assert len(pretty.getvalue().splitlines()) == 2
    assert not {"\x1b", "\x9b"} & set(pretty.getvalue())


def test_a_traceback_has_lines_and_still_steers_no_terminal(pretty: io.StringIO) -> None:
    try:
        raise ValueError(EVIL)
    except ValueError:
        structlog.get_logger("x").exception("failed")
    assert len(pretty.getvalue().splitlines()) > 3
    assert not {"\x1b", "\x9b"} & set(pretty.getvalue())

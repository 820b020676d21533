"""Answers become lines of .env; what is there stays; what is unknown is told."""

from __future__ import annotations

import io

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from installer.answers import AnswersError, completed, read_answers


def test_an_answer_becomes_every_setting_it_stands_for() -> None:
    answers = read_answers({"network": {"host": "0.0.0.0", "rtmp_port": 1936}})
    assert answers.environment == {
        "ENCMAN_CONTROL_HOST": "0.0.0.0",
        "ENCMAN_RTMP_HOST": "0.0.0.0",
        "ENCMAN_HTTP_HOST": "0.0.0.0",
        "ENCMAN_RTMP_PORT": "1936",
    }


def test_empty_answers_leave_the_default() -> None:
    answers = read_answers({"database": {"url": None}, "dependencies": None, "security": {"trusted_proxies": []}})
    assert answers.environment == {}
    assert answers.packages == ()


def test_packages_are_a_list() -> None:
    assert read_answers({"dependencies": {"system": ["ffmpeg", "curl"]}}).packages == ("ffmpeg", "curl")


def test_every_fault_is_listed_with_the_nearest_name() -> None:
    with pytest.raises(AnswersError) as caught:
        read_answers({"netwrok": {}, "network": {"hots": "x"}, "database": {"url": {"a": 1}}, "security": 3})
    text = str(caught.value)
    assert "did you mean network?" in text
    assert "did you mean host?" in text
    assert "database.url" in text
    assert "security" in text


@pytest.mark.parametrize("content", ["text", [1], 3])
def test_what_is_no_table_is_refused(content: object) -> None:
    with pytest.raises(AnswersError):
        read_answers(content)


def test_nothing_is_fine() -> None:
    assert read_answers(None).environment == {}


def test_lines_that_are_there_stay_as_they_are() -> None:
    existing = "# mine\nexport A=1\nB=2"
    assert completed(existing, {"A": "9", "B": "9"}) == existing
    assert completed(existing, {"A": "9", "C": "3"}) == "# mine\nexport A=1\nB=2\nC=3\n"


@given(
    st.dictionaries(
        st.sampled_from(["A", "B", "C"]), st.text(st.characters(codec="ascii", exclude_categories=["Cc"]))
    )
)
def test_what_is_written_is_what_is_read_back(wanted: dict[str, str]) -> None:
    text = completed("", wanted)
    assert dotenv_values(stream=io.StringIO(text), interpolate=False) == wanted
    assert completed(text, wanted) == text

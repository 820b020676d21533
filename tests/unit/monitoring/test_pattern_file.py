"""The packaged patterns are whole, and a file of an operator is read strictly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.content import Fault
from app.domain.errors import InvalidSettings
from app.domain.severity import Severity
from app.monitoring.pattern_file import MAX_BYTES, PACKAGED, patterns_of, read
from app.monitoring.signatures import MAX_LINE, Signature, Signatures, compiled
from app.policy.device_faults import _BY_ALARM
from app.policy.fault_patterns import MESSAGE
from app.policy.remedies import for_condition

APP = Path(__file__).resolve().parents[3] / "app"
ASKED_FOR = {
    "video signal loss": Severity.CRITICAL,
    "storage corruption": Severity.CRITICAL,
    "recording failure": Severity.CRITICAL,
    "network time-out": Severity.WARNING,
    "stream key invalid": Severity.WARNING,
    "audio sync loss": Severity.WARNING,
    "thermal warning": Severity.WARNING,
    "unstable bitrate": Severity.WARNING,
    "NTP failure": Severity.WARNING,
}
WHOLE = """
patterns:
  - id: own_fault
    severity: warning
    category: system
    per: encoder
    cause: So it is.
    impact: That.
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "own.yaml"


def test_the_nine_that_users_name_are_known_with_their_severity() -> None:
    known = {name: one.severity for one in patterns_of().patterns for name in one.known_as}
    assert {name: known.get(name) for name in ASKED_FOR} == ASKED_FOR


def test_every_fault_of_helo_devices_is_known() -> None:
    known = {name for one in patterns_of().patterns for name in one.known_as}
    assert {f"helo-{number:02}" for number in range(1, 34)} <= known


def test_what_can_not_be_seen_is_said_to_be_so_and_is_little() -> None:
    by_eye = [one.id for one in patterns_of().patterns if one.is_by_eye]
    assert by_eye == ["device_share_without_delete", "device_profile_edited", "device_partial_files"]


def test_every_condition_that_a_pattern_names_is_told_by_somebody() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in APP.rglob("*.py"))
    told = set(re.findall(r'"([a-z][a-z_]+)"', code)) | {fault.value for fault in Fault}
    named = {term.name for one in patterns_of().patterns for term in one.terms if ":" not in term.name}
    assert named - told == set()


def test_every_alarm_and_error_that_a_pattern_names_exists() -> None:
    names = {term.name for one in patterns_of().patterns for term in one.terms}
    alarms = {name.removeprefix("alarm:") for name in names if name.startswith("alarm:")}
    assert alarms
    assert alarms <= set(_BY_ALARM)
    code = "\n".join(path.read_text(encoding="utf-8") for path in (APP / "services").rglob("*.py"))
    errors = {name.removeprefix("error:").replace("_", " ") for name in names if name.startswith("error:")}
    assert errors
    assert {error for error in errors if f'"{error}"' not in code} == set()


def test_no_pattern_that_reads_words_suggests_a_remedy() -> None:
    readers = [one for one in patterns_of().patterns if any(term.name.startswith(MESSAGE) for term in one.terms)]
    assert readers
    assert {one.remedy for one in readers} == {None}


def test_what_is_suggested_for_a_device_is_what_would_be_done_for_it() -> None:
    seen = 0
    for pattern in patterns_of().patterns:
        cures = {cure[0] for term in pattern.terms if (cure := for_condition(term.name)) is not None}
        if len(pattern.terms) == pattern.need == 1 and cures and pattern.per == "encoder":
            assert pattern.remedy in cures, pattern.id
            seen += 1
    assert seen >= 8


def test_an_own_file_adds_and_replaces(own: Path) -> None:
    own.write_text(WHOLE + WHOLE.replace("patterns:", "").replace("own_fault", "rack_lost"), encoding="utf-8")
    packaged, both = patterns_of(), patterns_of(own)
    assert len(both.patterns) == len(packaged.patterns) + 1
    assert {one.id: one.cause for one in both.patterns}["rack_lost"] == "So it is."
    assert both.signatures == packaged.signatures


def test_an_own_pattern_may_speak_of_a_packaged_message(own: Path) -> None:
    own.write_text(WHOLE + "    evidence: {any: ['message:worker_killed']}\n", encoding="utf-8")
    assert {one.id for one in patterns_of(own).patterns} >= {"own_fault"}


REFUSED = {
    "nothing": ("", "empty"),
    "no YAML": ("patterns: [", r":1: no YAML"),
    "a list at the top": ("- 1\n", r":1: names with values"),
    "an unknown section": ("pattern: []\n", r":1: 'pattern' is not known here"),
    "an alias": ("patterns: &a []\nmessages: *a\n", r":2: no aliases"),
    "deep nesting": ("patterns: [[[[[[[[[[1]]]]]]]]]]\n", r":1: no aliases, and 8 levels"),
    "a missing word": (WHOLE.replace("    impact: That.\n", ""), r":3: impact is missing"),
    "an unknown word": (WHOLE + "    remedys: reboot\n", r":9: 'remedys' is not known here"),
    "a word twice": (WHOLE + "    impact: Again.\n", r":9: impact is there twice"),
    "an unknown severity": (WHOLE.replace("warning", "grave"), r":4: 'grave' is none of"),
    "an unknown remedy": (WHOLE + "    remedy: rebot\n", r":9: 'rebot' is none of"),
    "an id that is none": (WHOLE.replace("own_fault", "Own fault"), r":3: 'Own fault' is no name"),
    "two of one id": (WHOLE + WHOLE.replace("patterns:", ""), "own_fault is there twice"),
    "a negative time": (WHOLE + "    within_s: -1\n", r":9: a number from 0 to 3600"),
    "no number": (WHOLE + "    clear_s: .nan\n", r":9: a number from 0 to 3600"),
    "two kinds of evidence": (WHOLE + "    evidence: {any: [a_b], all: [a_b]}\n", r":9: evidence is all"),
    "no evidence in evidence": (WHOLE + "    evidence: {any: []}\n", r":9: evidence names at least one"),
    "more needed than there are": (WHOLE + "    evidence: {some: [a_b], need: 2}\n", r":9: a number from 0 to 1"),
    "none needed": (WHOLE + "    evidence: {some: [a_b], need: 0}\n", r":9: 1 to 1 of them"),
    "evidence that is a text": (WHOLE + "    evidence: {any: ['reboot now']}\n", r":9: 'reboot now' is no name"),
    "a message that nobody knows": (WHOLE + "    evidence: {any: ['message:none']}\n", "which no message is named"),
    "a remedy by words": (
        WHOLE + "    remedy: reboot\n    evidence: {any: ['message:worker_killed']}\n",
        r":9: what is told by messages suggests no remedy",
    ),
    "a text over two lines": (WHOLE.replace("That.", '"one\\ntwo"'), r":8: one line"),
    "a look-ahead": (
        "messages: [{id: x_y, from: worker, matches: '(?=a)b'}]\n",
        r":1: no expression that RE2 knows",
    ),
    "a back-reference": ("messages: [{id: x_y, from: worker, matches: '(a)\\1'}]\n", r":1: no expression"),
    "a huge repetition": ("messages: [{id: x_y, from: worker, matches: '(a{1,500}){1,500}'}]\n", r":1: no expr"),
    "words of publishers": ("messages: [{id: x_y, from: publisher, matches: a}]\n", r":1: 'publisher' is none of"),
    "a Python object": ("patterns: !!python/object/apply:os.system [x]\n", r":1: "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_file_is_refused_with_its_line(own: Path, case: str) -> None:
    text, said = REFUSED[case]
    own.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidSettings, match=said) as refused:
        patterns_of(own)
    assert str(own) in refused.value.detail


def test_a_slip_of_the_pen_comes_with_what_was_meant(own: Path) -> None:
    own.write_text(WHOLE + "    remedy: rebot\n", encoding="utf-8")
    with pytest.raises(InvalidSettings) as refused:
        patterns_of(own)
    assert refused.value.hint == "reboot?"


def test_a_file_that_is_too_large_not_text_or_not_there_is_refused(own: Path) -> None:
    with pytest.raises(InvalidSettings, match="No such file"):
        patterns_of(own)
    own.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(InvalidSettings, match="more than 256 KiB"):
        patterns_of(own)
    own.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidSettings, match="not UTF-8"):
        patterns_of(own)


LINES = st.sampled_from(
    [
        *PACKAGED.read_text(encoding="utf-8").splitlines()[15:120],
        "? [",
        "- !!float x",
        "<<: {a: b}",
        "  - &a [*a]",
        "\t",
        "%YAML 9.9",
        "---",
        "    within_s: 1e999",
        "    known_as: [2026-13-45, ~]",
    ]
)


@given(st.lists(LINES, max_size=30).map("\n".join) | st.text(max_size=200) | st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_whatever_a_file_holds_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, held: str | bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(held if isinstance(held, bytes) else held.encode("utf-8", "surrogatepass"))
    refused = ""
    try:
        read(path)
    except InvalidSettings as error:
        refused = error.detail
    assert refused == "" or str(path) in refused


# --- lines


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("worker ended (exit code -9)", ("worker_killed",)),
        ("exit code 139", ("worker_crashed",)),
        ("exit code 90", ()),
        (
            "[h264_nvenc] OpenEncodeSessionEx failed: out of memory (10)",
            ("gpu_out_of_sessions", "worker_no_memory"),
        ),
        ("av_interleaved_write_frame(): Broken pipe", ("connection_closed",)),
        ("all is well", ()),
    ],
)
def test_a_line_of_a_worker_is_known_by_its_signature(line: str, known: tuple[str, ...]) -> None:
    found = Signatures(patterns_of().signatures).of("worker", line)
    assert sorted(found) == sorted(known)


def test_a_signature_reads_only_the_lines_that_it_is_for() -> None:
    assert Signatures([Signature("x", "device", "a")]).of("worker", "a") == ()


def test_a_line_is_read_only_up_to_its_bound_and_whatever_it_holds() -> None:
    known = Signatures([Signature("end", "worker", "END")])
    assert known.of("worker", " " * (MAX_LINE - 3) + "END") == ("end",)
    assert known.of("worker", " " * (MAX_LINE - 2) + "END" + "x" * 1_000_000) == ()
    assert known.of("worker", "\ud800 \x00 END") == ("end",)


def test_an_expression_that_would_take_ages_elsewhere_takes_none_here() -> None:
    """With backtracking this is 2**2000 steps: the time limit of the tests ends it."""
    known = Signatures([Signature("evil", "worker", r"^(a+)+$"), Signature("evil2", "worker", r"^(a|aa)*(b|a)*c$")])
    assert known.of("worker", "a" * 1_000_000 + "!") == ("evil",)
    assert known.of("worker", "a" * 1_000 + "!") == ()


def test_an_expression_is_bounded() -> None:
    with pytest.raises(ValueError, match="500 characters"):
        compiled("a" * 501)

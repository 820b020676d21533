"""When a condition becomes an alert, when it is over, and what is said of one that comes and goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from app.domain.alert import Alert, AlertState
from app.domain.condition import GONE_S, Category, SubjectKind
from app.domain.severity import Severity
from app.policy import alert_rules
from app.policy.alert_causes import causes_of, group_key, root_of
from app.policy.alert_rules import FLAP_CLEAR_S, UNSEEN, AlertBook, fingerprint_of
from tests.support.alerts import T0, condition


class Told:
    """A book, and everything it ever returned."""

    def __init__(self) -> None:
        self.book = AlertBook()
        self.all: list[Alert] = []

    def feed(self, now: float, *, is_active: bool = True, name: str = "encoder_offline", **more: object) -> None:
        told = replace(condition(name), is_active=is_active, **more)  # type: ignore[arg-type]
        self.all += self.book.feed(told, now, T0 + timedelta(seconds=now))

    def tick(self, now: float) -> None:
        self.all += self.book.tick(now, T0 + timedelta(seconds=now))

    @property
    def states(self) -> list[AlertState]:
        return [alert.state for alert in self.all]


FIRING, RESOLVED = AlertState.FIRING, AlertState.RESOLVED


def test_a_condition_fires_after_its_hold_time_and_not_before() -> None:
    told = Told()
    told.feed(0.0, name="cpu_high")
    told.feed(30.0, name="cpu_high")
    told.tick(59.9)
    assert told.states == []
    told.feed(60.0, name="cpu_high")
    assert told.states == [FIRING]


def test_one_that_ends_within_its_hold_time_is_nobodys_business() -> None:
    told = Told()
    told.feed(0.0, name="cpu_high")
    told.feed(30.0, name="cpu_high", is_active=False)
    told.feed(40.0, name="cpu_high")
    told.tick(90.0)
    assert told.states == []
    told.tick(100.0)
    assert told.states == [FIRING]


def test_an_alert_is_over_after_its_clear_time_of_calm() -> None:
    told = Told()
    told.feed(0.0)
    told.feed(1.0, is_active=False)
    told.tick(15.9)
    assert told.states == [FIRING]
    told.tick(16.0)
    assert told.states == [FIRING, RESOLVED]
    assert told.all[1].ended_at == T0 + timedelta(seconds=16)
    assert told.all[1].summary == told.all[0].summary
    told.tick(2_000.0)
    assert len(told.all) == 2


def test_a_condition_that_nobody_says_again_is_over() -> None:
    told = Told()
    told.feed(0.0)
    told.tick(GONE_S - 0.1)
    assert told.states == [FIRING]
    told.tick(GONE_S)
    assert told.states == [FIRING, RESOLVED]
    assert told.all[1].summary.startswith(UNSEEN)


def test_what_comes_and_goes_each_five_seconds_for_an_hour_is_one_alert_that_says_so() -> None:
    for name in ("encoder_offline", "cpu_high", "encoder_hot"):
        told = Told()
        for step in range(720):
            told.feed(step * 5.0, name=name, is_active=step % 2 == 0)
            told.tick(step * 5.0)
        told.feed(3_600.0, name=name, is_active=False)
        told.tick(3_600.0 + FLAP_CLEAR_S - 10)
        assert [alert.state for alert in told.all if alert.state is RESOLVED] == []
        told.tick(3_600.0 + FLAP_CLEAR_S)
        assert told.states.count(RESOLVED) == 1
        assert len({(alert.fingerprint, alert.started_at) for alert in told.all}) == 1, name
        assert told.all[-1].is_flapping
        assert len(told.all) <= 3, name


def test_spikes_within_the_hold_time_are_no_flapping_and_those_that_go_on_are() -> None:
    told = Told()
    for spike in range(4):
        told.feed(spike * 15.0, name="cpu_high")
        told.feed(spike * 15.0 + 2.0, name="cpu_high", is_active=False)
    for second in range(48, 1_000, 10):
        told.tick(float(second))
    assert told.states == []
    told = Told()
    for spike in range(6):
        told.feed(spike * 15.0, name="cpu_high")
        told.feed(spike * 15.0 + 2.0, name="cpu_high", is_active=False)
    assert [(alert.state, alert.is_flapping) for alert in told.all] == [(FIRING, True)]


def test_slow_swings_are_flapping_too() -> None:
    told = Told()
    for swing in range(12):
        told.feed(swing * 300.0)
        for beat in range(1, 6):
            told.feed(swing * 300.0 + beat * 25.0)
        told.feed(swing * 300.0 + 150.0, is_active=False)
        for beat in range(15):
            told.tick(swing * 300.0 + 150.0 + beat * 10.0)
    assert told.states.count(RESOLVED) <= 3


def test_it_can_get_worse_and_is_the_same_alert() -> None:
    told = Told()
    told.feed(0.0, severity=Severity.WARNING)
    told.feed(1.0, severity=Severity.CRITICAL)
    told.feed(2.0, severity=Severity.WARNING)
    assert [alert.severity for alert in told.all] == [Severity.WARNING, Severity.CRITICAL]
    assert len({alert.fingerprint for alert in told.all}) == 1


def test_an_alert_of_before_a_restart_goes_on_or_is_over_when_nobody_sees_it() -> None:
    for is_told_again in (True, False):
        before = Told()
        before.feed(0.0)
        after = Told()
        after.book.adopt(before.all[0], 1_000.0)
        if is_told_again:
            after.feed(1_030.0)
            assert after.all == []
            after.feed(1_040.0, is_active=False)
            after.tick(1_055.0)
        else:
            after.tick(1_000.0 + GONE_S)
        assert after.states == [RESOLVED]
        assert after.all[0].started_at == before.all[0].started_at


def test_a_fingerprint_is_of_name_subject_and_labels_in_any_order() -> None:
    one = replace(condition(), labels=(("rack", "r1"), ("host", "h1")))
    assert fingerprint_of(one) == fingerprint_of(replace(one, labels=(("host", "h1"), ("rack", "r1")), summary="x"))
    others = (
        condition("other"),
        condition(subject="enc_b"),
        condition(kind=SubjectKind.GATEWAY),
        condition(rack="r2"),
    )
    assert len({fingerprint_of(other) for other in (one, *others)}) == 5


def test_alerts_of_others_leave_room_for_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_rules, "MAX_EXTERNAL", 2)
    book = AlertBook()
    book.adopt(replace(fired("their_disk", "d0", SubjectKind.SYSTEM), is_external=True), 0.0)
    theirs = [condition("their_disk", f"d{number}", kind=SubjectKind.SYSTEM) for number in range(1, 9)]
    assert [len(book.feed(one, 0.0, T0, is_external=True)) for one in theirs] == [1] + [0] * 7
    assert book.refused == 7
    book.feed(replace(theirs[0], is_active=False), 1.0, T0, is_external=True)
    assert len(book.feed(theirs[1], 2.0, T0, is_external=True)) == 1
    assert len(book.feed(condition(), 2.0, T0)) == 1


@pytest.mark.parametrize("text", ["a\ud800b", "a\x00b", "a\r\nb", "x" * 100_000])
def test_what_a_device_says_of_itself_is_one_short_line_that_can_be_kept(text: str) -> None:
    told = Told()
    told.feed(0.0, summary=text)
    told.feed(1.0, summary=text, severity=Severity.CRITICAL, value=2.0)
    told.feed(2.0, summary="fine", is_active=False)
    told.tick(100.0)
    for alert in told.all:
        orjson.dumps(alert.summary)
        assert alert.summary.isprintable()
        assert len(alert.summary) <= 1_000


def fired(name: str, subject: str, kind: SubjectKind, **labels: str) -> Alert:
    book = AlertBook()
    return book.feed(condition(name, subject, kind=kind, **labels), 0.0, T0)[0]


def test_behind_streams_lies_their_encoder_and_behind_encoders_their_rack() -> None:
    rack = fired("rack_away", "rack:r1", SubjectKind.SYSTEM, rack="r1")
    encoder = fired("encoder_offline", "enc_a", SubjectKind.ENCODER, encoder="enc_a", rack="r1")
    stream = fired("stream_failed", "str_1", SubjectKind.STREAM, encoder="enc_a", rack="r1")
    other = fired("stream_failed", "str_2", SubjectKind.STREAM, encoder="enc_b", rack="r2")
    assert causes_of((encoder, stream, other)) == {stream.fingerprint: encoder.fingerprint}
    behind = causes_of((rack, encoder, stream, other))
    assert behind == {encoder.fingerprint: rack.fingerprint, stream.fingerprint: rack.fingerprint}
    assert {group_key(alert) for alert in (rack, encoder, stream)} == {"rack:r1"}


def test_a_full_disk_is_not_why_a_stream_fails_but_why_a_recording_does() -> None:
    def of(category: Category, name: str, subject: str, kind: SubjectKind) -> Alert:
        return replace(fired(name, subject, kind, encoder="enc_a"), category=category)

    full = of(Category.STORAGE, "device_storage_full", "enc_a", SubjectKind.ENCODER)
    offline = of(Category.ENCODER_OFFLINE, "encoder_offline", "enc_a", SubjectKind.ENCODER)
    failed = of(Category.STREAM_FAILED, "stream_failed", "str_1", SubjectKind.STREAM)
    recording = of(Category.STORAGE, "recording_failed", "str_1", SubjectKind.STREAM)
    assert causes_of((full, failed, recording)) == {recording.fingerprint: full.fingerprint}
    assert causes_of((full, offline, failed)) == {failed.fingerprint: offline.fingerprint}


def test_causes_that_lead_in_a_circle_end_somewhere() -> None:
    assert root_of("a", {"a": "b", "b": "c", "c": "b"}) == "c"
    assert root_of("a", {"a": "b", "b": None}) == "b"
    assert root_of("a", {}) == "a"

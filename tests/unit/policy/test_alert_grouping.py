"""What a channel says when: one message for a cause, not one for each alert, and nothing is lost or said twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from app.domain.alert import Alert, AlertState
from app.domain.condition import Category, Subject, SubjectKind
from app.domain.severity import Severity
from app.policy.alert_causes import causes_of
from app.policy.alert_grouping import BURST_S, GROUP_INTERVAL_S, GROUP_WAIT_S, REPEAT_S, Flush, Grouper
from tests.support.alerts import T0


def an_alert(
    number: int,
    *,
    severity: Severity = Severity.CRITICAL,
    kind: SubjectKind = SubjectKind.ENCODER,
    subject: str | None = None,
    **labels: str,
) -> Alert:
    return Alert(
        fingerprint=f"f{number}",
        name="in_trouble",
        state=AlertState.FIRING,
        severity=severity,
        category=Category.SYSTEM,
        subject=Subject(kind, subject or f"s{number}"),
        summary="is in trouble",
        labels=tuple(labels.items()),
        started_at=T0 + timedelta(seconds=number / 100),
        updated_at=T0,
    )


def over(alert: Alert) -> Alert:
    return replace(alert, state=AlertState.RESOLVED, ended_at=T0 + timedelta(hours=1))


class Channel:
    """A grouper in virtual time, and every message it made."""

    def __init__(self, *, least: Severity = Severity.INFO, only_channels: bool = False) -> None:
        self.grouper = Grouper("email", least=least, only_channels=only_channels)
        self.said: list[tuple[float, Flush]] = []
        self.quiet: set[str] = set()
        self.is_blocked = False
        self.now = 0.0

    def feed(self, *alerts: Alert) -> None:
        for alert in alerts:
            self.grouper.feed(alert, None, self.now)
        self.tick()

    def tick(self) -> None:
        flushes = self.grouper.tick(
            self.now, quiet=lambda alert: alert.fingerprint in self.quiet, is_blocked=self.is_blocked
        )
        self.said += [(self.now, flush) for flush in flushes]

    def until(self, now: float, step_s: float = 1.0) -> None:
        while self.now < now:
            self.now = min(now, self.now + step_s)
            self.tick()

    @property
    def times(self) -> list[float]:
        return [now for now, _ in self.said]

    def words(self) -> list[list[tuple[str, str]]]:
        return [[(one.fingerprint, one.state.value) for one in flush.alerts] for _, flush in self.said]


def test_what_is_critical_is_said_at_once_and_the_rest_waits_for_company() -> None:
    channel = Channel()
    channel.feed(an_alert(1, subject="a"))
    channel.feed(an_alert(2, severity=Severity.WARNING, subject="b"))
    channel.until(GROUP_WAIT_S - 0.5, 0.5)
    assert channel.times == [0.0]
    channel.until(60.0, 0.5)
    assert channel.times == [0.0, GROUP_WAIT_S]


def test_a_group_speaks_once_a_minute() -> None:
    channel = Channel()
    for number in range(30):
        channel.feed(an_alert(number, severity=Severity.WARNING, rack="r1"))
        channel.until(channel.now + 10)
    assert channel.times == [10.0, 70.0, 130.0, 190.0, 250.0]


def test_the_next_critical_trouble_of_a_group_is_said_at_once() -> None:
    channel = Channel()
    channel.feed(an_alert(1, host="h1"))
    channel.until(3.0)
    channel.feed(an_alert(2, host="h1"))
    channel.until(40.0)
    channel.feed(an_alert(3, host="h1"), an_alert(4, severity=Severity.WARNING, host="h1"))
    channel.until(59.0)
    assert channel.times == [0.0, 3.0, 40.0]
    assert [words[0] for words in channel.words()] == [("f1", "firing"), ("f2", "firing"), ("f3", "firing")]


def test_critical_troubles_that_do_not_end_make_three_messages_a_minute() -> None:
    channel = Channel()
    for number in range(60):
        channel.feed(an_alert(number, host="h1"))
        channel.until(channel.now + 11)
    for since in channel.times:
        assert sum(since <= now < since + GROUP_INTERVAL_S for now in channel.times) <= 3
    assert {name for _, flush in channel.said for name in flush.groups} == {f"f{number}" for number in range(60)}


def test_a_storm_whose_cause_nobody_finds_is_two_messages_within_a_quarter_of_a_minute() -> None:
    channel = Channel()
    for number in range(1_000):
        channel.grouper.feed(an_alert(number, host="h1"), None, channel.now)
        if number % 10 == 0:
            channel.until(channel.now + 0.1, 0.1)
    channel.until(15.0)
    assert len(channel.said) == 2
    assert len(channel.said[1][1].alerts) == 1_000


def test_what_gets_worse_is_said_once_more() -> None:
    channel = Channel()
    disk = an_alert(1, severity=Severity.WARNING)
    channel.feed(disk)
    channel.until(20.0)
    worse = replace(disk, severity=Severity.CRITICAL)
    channel.feed(worse)
    channel.until(30.0)
    assert [(now, flush.severity) for now, flush in channel.said] == [
        (GROUP_WAIT_S, Severity.WARNING),
        (20.0, Severity.CRITICAL),
    ]
    again = Channel()
    again.grouper.restore(worse, AlertState.FIRING, None, said=-5.0, now=0.0, told_as=Severity.WARNING)
    again.until(1.0)
    assert again.words() == [[("f1", "firing")]]


def test_the_news_stands_before_what_people_know_already() -> None:
    channel = Channel()
    one, two = an_alert(1, rack="r1"), an_alert(2, rack="r1")
    channel.feed(one)
    channel.until(20.0)
    channel.feed(two)
    channel.until(100.0)
    channel.feed(over(two))
    channel.until(400.0)
    assert channel.words()[1:] == [[("f2", "firing"), ("f1", "firing")], [("f2", "resolved"), ("f1", "firing")]]


def test_an_end_that_was_said_before_a_restart_is_not_said_again() -> None:
    channel = Channel()
    channel.grouper.restore(over(an_alert(1)), AlertState.RESOLVED, "rack:r1", said=-100.0, now=0.0)
    channel.feed(an_alert(2, rack="r1"))
    assert channel.words() == [[("f2", "firing")]]


def test_a_thousand_alerts_of_one_cause_are_three_messages_with_the_cause_first() -> None:
    for is_root_first in (True, False):
        channel = Channel()
        root = an_alert(0, kind=SubjectKind.SYSTEM, subject="rack:r1", rack="r1")
        children = [an_alert(number, kind=SubjectKind.STREAM, rack="r1") for number in range(1, 1_000)]
        everything = [root, *children] if is_root_first else [*children[:300], root, *children[300:]]
        fed: dict[str, Alert] = {}
        for alert in everything:
            fed[alert.fingerprint] = alert
            behind = causes_of(fed.values()) if alert is root else {}
            fresh = [alert] + [replace(fed[name], cause_fingerprint="f0") for name in behind]
            if "f0" in fed and alert is not root:
                fresh = [replace(alert, cause_fingerprint="f0")]
            for one in fresh:
                channel.grouper.feed(one, None, channel.now)
            if len(fed) % 10 == 1:
                channel.until(channel.now + 0.1, 0.1)
        channel.until(300.0)
        firing = len(channel.said)
        for number, alert in enumerate(everything):
            channel.grouper.feed(
                over(replace(alert, cause_fingerprint=None if alert is root else "f0")), None, channel.now
            )
            if number % 40 == 0:
                channel.until(channel.now + 1.0)
        channel.until(900.0)
        assert len(channel.said) <= 3
        told_of_root = next((now, flush) for now, flush in channel.said if "f0" in flush.groups)
        assert told_of_root[0] <= 15.0
        assert told_of_root[1].alerts[0].fingerprint == "f0"
        assert firing <= 2
        assert all(one.state is AlertState.RESOLVED for one in channel.said[-1][1].alerts)
        assert "f0" in channel.said[-1][1].groups


def test_a_thousand_alerts_that_share_nothing_are_three_messages_within_a_quarter_of_a_minute() -> None:
    channel = Channel()
    for number in range(1_000):
        channel.grouper.feed(an_alert(number), None, channel.now)
        if number % 10 == 0:
            channel.until(channel.now + 0.1, 0.1)
    channel.until(60.0)
    assert len(channel.said) <= 3
    assert channel.times[-1] <= 15.0
    assert {name for _, flush in channel.said for name in flush.groups} == {f"f{number}" for number in range(1_000)}


def test_every_firing_is_followed_by_its_end() -> None:
    channel = Channel()
    one = an_alert(1)
    channel.feed(one)
    channel.until(5.0)
    channel.feed(over(one))
    channel.until(200.0)
    assert channel.words() == [[("f1", "firing")], [("f1", "resolved")]]
    assert channel.times == [0.0, GROUP_INTERVAL_S]


def test_what_began_and_ended_while_the_channel_was_stuck_is_said_in_one_summary() -> None:
    channel = Channel()
    channel.is_blocked = True
    one, two = an_alert(1, rack="r1"), an_alert(2, rack="r1")
    channel.feed(one, two)
    channel.until(100.0)
    channel.feed(over(one))
    channel.until(600.0)
    assert channel.said == []
    channel.is_blocked = False
    channel.until(700.0)
    assert channel.words() == [[("f2", "firing"), ("f1", "resolved")]]


def test_a_short_trouble_that_was_over_before_it_was_said_is_not_said() -> None:
    channel = Channel()
    one = an_alert(1, severity=Severity.WARNING)
    channel.feed(one)
    channel.until(5.0)
    channel.feed(over(one))
    channel.until(100.0)
    assert channel.said == []


def test_it_is_repeated_every_four_hours_until_somebody_takes_care() -> None:
    channel = Channel()
    channel.feed(an_alert(1))
    channel.until(2 * REPEAT_S + 60, 30.0)
    assert channel.times == [0.0, REPEAT_S, 2 * REPEAT_S]
    channel.feed(replace(an_alert(1), acknowledged_by="key_1"))
    channel.until(5 * REPEAT_S, 30.0)
    assert len(channel.said) == 3
    channel.feed(over(replace(an_alert(1), acknowledged_by="key_1")))
    channel.until(5 * REPEAT_S + 100, 30.0)
    assert channel.words()[-1] == [("f1", "resolved")]


def test_what_is_silenced_is_said_when_the_silence_is_over() -> None:
    channel = Channel()
    channel.quiet = {"f1"}
    channel.feed(an_alert(1))
    channel.until(600.0)
    assert channel.said == []
    channel.quiet = set()
    channel.until(700.0)
    assert channel.words() == [[("f1", "firing")]]
    channel.quiet = {"f1"}
    channel.feed(over(an_alert(1)))
    channel.until(900.0)
    assert len(channel.said) == 1
    channel.quiet = set()
    channel.until(1_000.0)
    assert channel.words()[-1] == [("f1", "resolved")]


def test_an_encoder_makes_no_more_news_than_its_limit_and_none_is_lost() -> None:
    limits = {Severity.CRITICAL: (5, 300.0), Severity.WARNING: (3, 600.0), Severity.INFO: (2, 1_800.0)}
    for severity, (count, per_s) in limits.items():
        channel = Channel()
        for number in range(12):
            # Other groups of one encoder: what it pushes to.
            channel.feed(an_alert(number, severity=severity, subject="enc_a", destination=f"d{number}"))
            channel.until(channel.now + BURST_S + 1)
        channel.until(5 * per_s, 5.0)
        for since in channel.times:
            assert sum(since <= now < since + per_s for now in channel.times) <= count, severity
        assert {name for _, flush in channel.said for name in flush.groups} == {
            f"f{number}" for number in range(12)
        }


def test_a_channel_hears_only_what_is_severe_enough_and_nothing_of_its_own_faults() -> None:
    channel = Channel(least=Severity.CRITICAL)
    channel.feed(an_alert(1, severity=Severity.WARNING))
    channel.feed(an_alert(2, kind=SubjectKind.CHANNEL, subject="email"))
    channel.feed(replace(an_alert(3), is_external=True))
    channel.until(100.0)
    assert channel.said == []
    channel.feed(an_alert(4, kind=SubjectKind.CHANNEL, subject="telegram"))
    assert channel.words() == [[("f4", "firing")]]


def test_beside_an_alertmanager_it_says_only_that_others_cannot() -> None:
    channel = Channel(only_channels=True)
    channel.feed(an_alert(1), an_alert(2, kind=SubjectKind.CHANNEL, subject="alertmanager am:9093"))
    channel.until(100.0)
    assert channel.words() == [[("f2", "firing")]]


def test_after_a_restart_nothing_is_said_again_and_what_was_unsaid_is() -> None:
    channel = Channel()
    firing, unsaid, ended = an_alert(1), an_alert(2), over(an_alert(3))
    missed, told = over(an_alert(4)), over(an_alert(5))
    for alert, state in (
        (firing, AlertState.FIRING),
        (unsaid, None),
        (ended, AlertState.FIRING),
        (missed, None),
        (told, AlertState.RESOLVED),
    ):
        said = None if state is None else -100.0
        channel.grouper.restore(alert, state, "rack:r1", said=said, now=0.0)
    channel.until(600.0)
    assert len(channel.said) == 1
    said_now = dict(channel.words()[0])
    assert (said_now["f2"], said_now["f3"], said_now["f4"]) == ("firing", "resolved", "resolved")
    assert channel.words()[0][0] == ("f2", "firing")
    assert "f5" not in said_now


def test_what_was_blocked_by_its_cause_is_said_when_the_cause_alone_is_over() -> None:
    channel = Channel()
    cause = an_alert(1, subject="enc_a", encoder="enc_a")
    child = replace(an_alert(2, kind=SubjectKind.STREAM, encoder="enc_a"), cause_fingerprint="f1")
    channel.feed(cause)
    channel.until(10.0)
    channel.feed(child)
    channel.until(300.0)
    assert channel.words() == [[("f1", "firing")]]
    channel.feed(over(cause))
    channel.until(600.0)
    assert channel.words()[1:] == [[("f2", "firing"), ("f1", "resolved")]]

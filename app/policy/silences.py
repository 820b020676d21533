"""Which alerts are kept from people now: silences, and windows of the week by the clocks of a place. Pure.

A window's borders are the local times of its days, taken to UTC each by itself, so over a change of clocks it is an
hour longer or shorter, as the clock on the wall is. A border that the wall clock skips is where it jumps; of one
that comes twice a start is the first and an end the second: nothing leaks out of a window.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.domain.alert import Alert
from app.domain.condition import Category
from app.domain.errors import InvalidRequest
from app.domain.notification import Matcher, Silence, Window
from app.domain.severity import Severity

MAX_SILENCES: Final = 1_000
MAX_MATCHERS: Final = 20
MAX_VERDICTS: Final = 50_000
MAX_LENGTH: Final = timedelta(days=366 * 2)
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_DAY: Final = timedelta(days=1)


def check(silence: Silence) -> None:
    """Raises InvalidRequest for one that can never work, or that would silence everything for ever."""
    if not silence.matchers or len(silence.matchers) > MAX_MATCHERS:
        raise InvalidRequest(f"a silence has 1 to {MAX_MATCHERS} matchers")
    if all(matcher.is_negated or not matcher.pattern.strip("*") for matcher in silence.matchers):
        raise InvalidRequest("one matcher at least must name something", hint="severity=critical, name=encoder_*")
    if silence.starts_at.tzinfo is None or silence.ends_at.tzinfo is None:
        raise InvalidRequest("times need an offset, such as 2026-11-20T12:00:00Z")
    if not silence.starts_at < silence.ends_at <= silence.starts_at + MAX_LENGTH:
        raise InvalidRequest("a silence ends after it starts, within two years")
    if silence.window is not None:
        _check_window(silence.window)


def _check_window(window: Window) -> None:
    if not _CLOCK.fullmatch(window.starts) or not _CLOCK.fullmatch(window.ends):
        raise InvalidRequest("a window starts and ends at HH:MM")
    if any(not 0 <= day <= 6 for day in window.days):
        raise InvalidRequest("the days of a window are 0, Monday, to 6, Sunday")
    try:
        ZoneInfo(window.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidRequest("the zone of a window is an IANA name, such as Europe/Berlin") from error


class Hush:
    """Who is silenced. A verdict is remembered while the same silences are open: every alert is asked for each
    second, by everybody who tells people."""

    def __init__(self) -> None:
        self._open: tuple[Silence, ...] = ()
        self._verdicts: dict[tuple[str, Category, Severity, str | None], str | None] = {}

    def look(self, silences: Iterable[Silence], at: datetime) -> None:
        """`by` answers for this time from now on."""
        now_open = tuple(silence for silence in silences if is_open(silence, at))
        if now_open != self._open or len(self._verdicts) > MAX_VERDICTS:
            self._open, self._verdicts = now_open, {}

    def by(self, alert: Alert) -> str | None:
        """Id of the first silence that keeps `alert` from people; None: none does."""
        if not self._open:
            return None
        # What else a matcher may name is in the fingerprint.
        key = (alert.fingerprint, alert.category, alert.severity, alert.tenant)
        if key not in self._verdicts:
            self._verdicts[key] = next((one.id for one in self._open if keeps_quiet(one, alert)), None)
        return self._verdicts[key]


def keeps_quiet(silence: Silence, alert: Alert) -> bool:
    """While it is open."""
    if silence.tenant is not None and alert.tenant not in (None, silence.tenant):
        return False
    return all(fits(matcher, alert) for matcher in silence.matchers)


def is_open(silence: Silence, at: datetime) -> bool:
    if not silence.starts_at <= at < silence.ends_at:
        return False
    return silence.window is None or is_within(silence.window, at)


def is_within(window: Window, at: datetime) -> bool:
    """Whether `at` (aware) is within the window of today or of the day before, by the clocks of its zone."""
    today = at.astimezone(ZoneInfo(window.zone)).date()
    for day in (today - _DAY, today):
        if window.days and day.weekday() not in window.days:
            continue
        starts, ends = _borders(window, day)
        if starts <= at < ends:
            return True
    return False


@lru_cache(maxsize=256)
def _borders(window: Window, day: date) -> tuple[datetime, datetime]:
    zone = ZoneInfo(window.zone)
    starts, ends = time.fromisoformat(window.starts), time.fromisoformat(window.ends)
    last = day if ends > starts else day + _DAY
    return min(_readings(datetime.combine(day, starts), zone)), max(_readings(datetime.combine(last, ends), zone))


def _readings(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the wall clock shows `wall`: two moments where clocks are set back, else the same one twice; where they
    are set forward past it, the moment of the jump."""
    one, other = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if _wall(one, zone) == wall:
        return one, other
    # Only in a gap does neither show it: `one` is before the jump, `other` after it.
    seconds = range(int((other - one).total_seconds()) + 1)
    after = bisect_left(seconds, wall, key=lambda passed: _wall(one + timedelta(seconds=passed), zone))
    jump = one + timedelta(seconds=after)
    return jump, jump


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def fits(matcher: Matcher, alert: Alert) -> bool:
    """Labels of the alert, and besides `name`, `severity`, `category`, `kind`, `subject` and `tenant`."""
    return like(_value(alert, matcher.label), matcher.pattern) is not matcher.is_negated


def _value(alert: Alert, label: str) -> str:
    match label:
        case "name":
            return alert.name
        case "severity":
            return alert.severity.value
        case "category":
            return alert.category.value
        case "kind":
            return alert.subject.kind.value
        case "subject":
            return alert.subject.id
        case "tenant":
            return alert.tenant or ""
        case _:
            return dict(alert.labels).get(label, "")


def like(text: str, pattern: str) -> bool:
    """Whether `text` is `pattern`, in which `*` stands for any text. In linear time."""
    first, *pieces = pattern.split("*")
    if not pieces:
        return text == first
    if not text.startswith(first):
        return False
    at = len(first)
    for piece in pieces[:-1]:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(text) - len(pieces[-1]) >= at and text.endswith(pieces[-1])

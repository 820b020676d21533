"""Alerts that one channel tells together: what of them is said, and whether they may speak up at once. Pure.

Which alerts belong together is said by `alert_causes.py`; when a group speaks, `alert_grouping.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from app.domain.alert import Alert, AlertState
from app.domain.severity import Severity

GROUP_WAIT_S: Final = 10.0
"""Of a group that has not spoken; with something critical in it, none."""
GROUP_INTERVAL_S: Final = 60.0
MAX_URGENT: Final = 3
"""Messages of one group within GROUP_INTERVAL_S: so many when something critical comes that no cause explains. On a
single machine everything is one group, and the second trouble there is not to wait for a minute."""
STORM: Final = 3
"""Critical alerts within GROUP_WAIT_S: what comes so thick has one cause, and waits for BURST_S."""
BURST_S: Final = 12.0
"""After BURST messages within BURST_S the rest goes into one digest at the end of that time: so a storm whose
alerts share nothing is three messages within a quarter of a minute."""
RANKS: Final = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)


@dataclass(slots=True)
class Entry:
    alert: Alert
    told: AlertState | None = None
    told_as: Severity | None = None
    """How bad people were told it is: that it got worse is news."""
    was_due: bool = False
    """It would have been said, and was held back: its end alone is then worth a word."""
    ended: float = 0.0

    @property
    def is_unsaid(self) -> bool:
        if self.alert.state is AlertState.FIRING:
            return self.told is not AlertState.FIRING or self._is_worse
        return self.told is AlertState.FIRING or self.was_due

    @property
    def _is_worse(self) -> bool:
        return self.told_as is not None and RANKS.index(self.alert.severity) > RANKS.index(self.told_as)

    @property
    def is_over(self) -> bool:
        return self.alert.state is AlertState.RESOLVED and not self.is_unsaid


@dataclass(slots=True)
class Group:
    entries: dict[str, Entry] = field(default_factory=dict)
    unsaid_since: float | None = None
    spoke: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_URGENT))
    urgent: deque[float] = field(default_factory=lambda: deque(maxlen=STORM))
    """When the last critical alerts came that no other one explains."""

    @property
    def sent(self) -> float | None:
        return self.spoke[-1] if self.spoke else None

    def may_speak_up(self, now: float) -> bool:
        """Before its interval is over, for something critical and new."""
        if len(self.spoke) == MAX_URGENT and now - self.spoke[0] < GROUP_INTERVAL_S:
            return False
        is_storm = len(self.urgent) == STORM and self.urgent[-1] - self.urgent[0] < GROUP_WAIT_S
        return not is_storm or self.sent is None or now - self.sent >= BURST_S


def is_urgent(alert: Alert) -> bool:
    is_news = alert.state is AlertState.FIRING and alert.cause_fingerprint is None
    return is_news and alert.severity is Severity.CRITICAL


def in_order(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """Firing before resolved, causes first, the worst first, the oldest first."""
    alerts = tuple(alerts)
    causes = {alert.cause_fingerprint for alert in alerts}

    def rank(alert: Alert) -> tuple[bool, bool, bool, int, float]:
        return (
            alert.state is AlertState.RESOLVED,
            alert.fingerprint not in causes or alert.cause_fingerprint is not None,
            alert.cause_fingerprint is not None,
            -RANKS.index(alert.severity),
            alert.started_at.timestamp(),
        )

    return tuple(sorted(alerts, key=rank))

"""Hands alerts to one Alertmanager by its API v2 (`POST /api/v2/alerts`), which groups and tells people itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from app.adapters.notifiers.answers import TOTAL_S, reaching, read_some, refusal, retry_after_s
from app.domain.alert import Alert
from app.policy.alert_text import clean
from app.policy.external_alerts import OURS

MAX_BATCH: Final = 500
_MAX_SUMMARY: Final = 1_000


class Alertmanager:
    """One replica; `url` is its base, without credentials."""

    def __init__(self, *, url: str, session: aiohttp.ClientSession, link: str) -> None:
        parts = urlsplit(url)
        self.name = f"alertmanager {parts.netloc}"
        self._url = f"{url.rstrip('/')}/api/v2/alerts"
        self._session = session
        self._link = link

    async def hand_in(self, alerts: Sequence[Alert], *, ends_at: datetime) -> None:
        """`ends_at`: when those that fire are over unless they are handed in again.

        Raises Unavailable, NotAllowed, InvalidRequest.
        """
        # Nothing is handed in too: so it is known that it could be.
        for first in range(0, max(1, len(alerts)), MAX_BATCH):
            batch = [posted(alert, ends_at, self._link) for alert in alerts[first : first + MAX_BATCH]]
            timeout = aiohttp.ClientTimeout(total=TOTAL_S)
            async with (
                reaching(self.name),
                self._session.post(self._url, json=batch, timeout=timeout, allow_redirects=False) as answer,
            ):
                await read_some(answer)
                if answer.status != 200:
                    raise refusal(self.name, answer.status, retry_after_s(answer.headers.get("Retry-After")))


def posted(alert: Alert, ends_at: datetime, link: str) -> dict[str, Any]:
    """Alertmanager tells alerts apart by their labels alone, so nothing that changes is one."""
    labels = {
        **{name: value for name, value in alert.labels if value},
        "alertname": alert.name,
        "category": alert.category.value,
        "kind": alert.subject.kind.value,
        "subject": alert.subject.id,
        "source": OURS,
        "severity": alert.severity.value,
    }
    annotations = {"summary": clean(alert.summary, _MAX_SUMMARY), "fingerprint": alert.fingerprint}
    if alert.is_flapping:
        annotations["flapping"] = "true"
    if alert.cause_fingerprint is not None:
        annotations["cause"] = alert.cause_fingerprint
    ends_at = alert.ended_at or ends_at
    return {
        "labels": labels,
        "annotations": annotations,
        # After a clock was set back it would begin after its end, which Alertmanager refuses.
        "startsAt": min(alert.started_at, ends_at).isoformat(),
        "endsAt": ends_at.isoformat(),
        "generatorURL": link,
    }

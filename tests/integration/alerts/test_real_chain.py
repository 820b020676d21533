"""Real Prometheus, real Alertmanager, real processes of ours: what is wrong reaches people, so is its end."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.e2e.system import System, running_system
from tests.support import alert_chain
from tests.support.alert_chain import ends, until
from tests.support.peers import free_port
from tests.support.servers import alertmanager, prometheus

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "alerting.md"


def made_key(system: System, scope: str) -> str:
    answer = system.call("POST", "/api/keys", {"name": scope, "tenant": "main", "scopes": [scope]})
    assert answer.status == 201, answer
    return str(answer.body["api_key"])


def shown(system: System) -> list[object]:
    """What control's board shows as told by somebody else."""
    answer = system.call("GET", "/api/monitoring/alerts")
    assert answer.status == 200, answer
    return [alert for alert in answer.body["alerts"] if alert["external"]]


async def test_a_rule_fires_reaches_everybody_and_clears(tmp_path: Path) -> None:
    gateway_port, alerts_port = free_port(), free_port()
    async with ends() as people:
        with running_system(tmp_path / "data", "--http-port", str(gateway_port)) as system:
            control = str(system.facts["control_url"]).rstrip("/")
            alerts_key = tmp_path / "alerts.key"
            alerts_key.write_text(made_key(system, "alerts"))
            router = alert_chain.alertmanager_config(people, control=control, key_file=alerts_key)
            (tmp_path / "prometheus").mkdir()
            with alertmanager(router, templates=alert_chain.TEMPLATES, port=alerts_port) as alerts:
                scraper = alert_chain.prometheus_config(
                    tmp_path / "prometheus",
                    control=control,
                    gateway=f"http://127.0.0.1:{gateway_port}",
                    alertmanager=alerts,
                    key=made_key(system, "metrics"),
                )
                with prometheus(scraper, tmp_path / "prometheus"):
                    await until(
                        "the dead-man's switch", lambda: [one.json for one in people.hook.heard], "Watchdog"
                    )
                    encoder = system.children("encoder")[0]
                    encoder.send_signal(signal.SIGSTOP)
                    try:
                        for what, texts in (("mail", people.mailed), ("Telegram", people.said)):
                            await until(what, texts, "is offline", "[CRITICAL 1]")
                        await until("the board", lambda: shown(system), "EncoderOffline")
                    finally:
                        encoder.send_signal(signal.SIGCONT)
                    for what, texts in (("mail", people.mailed), ("Telegram", people.said)):
                        await until(what, texts, "RESOLVED", "is offline")
                    await until("the board", lambda: [str(shown(system)).count("EncoderOffline")], "0")
    assert sum("is offline" in text for text in people.said()) == 2
    assert not [text for text in people.said() if "Watchdog" in text or "alerts get out" in text]

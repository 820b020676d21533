"""A whole control with its channels set up by settings: what is wrong reaches people, the API and Prometheus."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from app.assembly.control import serving
from app.assembly.settings import Settings
from app.domain.alert import AlertState
from tests.support.alerts import condition
from tests.support.mouths import Reply, mouth

KEY = "emk_" + "k" * 43


def settings(data_dir: Path, **more: object) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": data_dir,
            "control_port": 0,
            "link_token": "l" * 40,
            "key_pepper": "p" * 40,
            "seal_key": "s" * 40,
            "bootstrap_api_key": KEY,
            "allowed_private_targets": ["127.0.0.0/8"],
            **more,
        }
    )


async def test_an_alert_gets_out_by_every_channel_that_is_set_up(tmp_path: Path) -> None:
    async with mouth(Reply(204)) as hook, mouth() as telegram:
        told_by = {
            "webhook_urls": hook.url,
            "webhook_secret": "0123456789abcdef",
            "telegram_api": telegram.url,
            "telegram_chat_id": "-1",
            "telegram_token": "1:CANARY",
        }
        async with serving(settings(tmp_path, **told_by)) as control, aiohttp.ClientSession() as http:
            control.services.bus.tell(condition())
            await hook.until(1)
            await telegram.until(1)
            base = f"http://127.0.0.1:{control.port}"
            auth = {"Authorization": f"Bearer {KEY}"}
            async with http.get(f"{base}/api/monitoring/alerts", headers=auth) as answer:
                listed = await answer.json()
            async with http.get(f"{base}/metrics", headers=auth) as answer:
                metrics = await answer.text()
            async with http.post(f"{base}/api/monitoring/alerts/test", headers=auth) as answer:
                tested = await answer.json()
    assert [one["name"] for one in listed["alerts"]] == ["encoder_offline"]
    assert hook.heard[0].json["alerts"][0]["fingerprint"] == listed["alerts"][0]["fingerprint"]
    assert 'encman_alerts{severity="critical",silenced="false"} 1.0' in metrics
    assert 'encman_notifier_failing{channel="telegram"} 0.0' in metrics
    assert {one["name"] for one in tested["channels"]} == {"telegram", "webhook"}
    assert hook.heard[-1].json["title"].startswith("[TEST]")


async def test_with_an_alertmanager_it_alone_is_told(tmp_path: Path) -> None:
    async with mouth(Reply(204)) as hook, mouth(Reply(200)) as first, mouth(Reply(200)) as second:
        told_by = {
            "webhook_urls": hook.url,
            "webhook_secret": "0123456789abcdef",
            "alertmanager_urls": f"{first.url}, {second.url}",
        }
        async with serving(settings(tmp_path, **told_by)) as control:
            control.services.bus.tell(condition())
            for replica in (first, second):
                await replica.until(1)
                while not replica.heard[-1].json:
                    await replica.until(len(replica.heard) + 1)
                assert replica.heard[-1].json[0]["labels"]["alertname"] == "encoder_offline"
            await control.services.alerting.board.look()
            assert hook.heard == []


async def test_after_a_restart_what_fired_still_fires_and_is_not_told_again(tmp_path: Path) -> None:
    async with mouth(Reply(204)) as hook:
        told_by = {"webhook_urls": hook.url, "webhook_secret": "0123456789abcdef"}
        async with serving(settings(tmp_path, **told_by)) as control:
            control.services.bus.tell(condition())
            await hook.until(1)
        async with serving(settings(tmp_path, **told_by)) as control:
            control.services.bus.tell(condition())
            await control.services.alerting.board.look()
            (alert,) = control.services.alerting.board.active()
            assert alert.state is AlertState.FIRING
    assert len({heard.json["id"] for heard in hook.heard}) == 1

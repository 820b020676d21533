from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import web

from app.core.logging.system import LoggingSystem
from app.core.monitoring.system import MonitoringSystem
from app.domain.errors import NotFound, Unavailable
from app.domain.session import StreamRequest
from tests.integration.api.conftest import settings_in
from tests.integration.services.peers import FakeNode, encoder, until


async def test_an_application_of_somebody_else_watches_an_encoder(tmp_path: Path) -> None:
    app = web.Application()
    LoggingSystem(app, level="warning")
    monitoring = MonitoringSystem(app, settings_in(tmp_path))
    with pytest.raises(Unavailable):
        await monitoring.monitor_encoder("encoder_123")
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    node = FakeNode(encoder("123"))
    await node.come(runner.addresses[0][1])
    await until(lambda: len(monitoring.services.encoders.list()) == 1)
    status = await monitoring.monitor_encoder("enc_123")
    assert status["state"] == "online"
    with pytest.raises(NotFound):
        await monitoring.monitor_encoder("encoder_124")
    await runner.cleanup()
    await node.go()
    with pytest.raises(Unavailable):
        await monitoring.monitor_encoder("enc_123")


async def test_networks_that_the_settings_release_are_released_there_too(tmp_path: Path) -> None:
    app = web.Application()
    released = {"allowed_private_targets": (ip_network("10.0.0.0/8"),)}
    monitoring = MonitoringSystem(app, settings_in(tmp_path).model_copy(update=released))
    runner = web.AppRunner(app)
    await runner.setup()
    wanted = StreamRequest(1280, 720, 2_500_000, 30.0, destinations=("rtmp://10.1.2.3/live/x",))
    ladder, _ = monitoring.services.validator.demand(wanted)
    assert ladder.renditions[0].height == 720
    await runner.cleanup()

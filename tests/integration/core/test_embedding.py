from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from app.core.logging.system import LoggingSystem
from app.core.monitoring.system import MonitoringSystem
from app.domain.errors import NotFound, Unavailable
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

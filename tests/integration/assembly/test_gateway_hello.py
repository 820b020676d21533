"""What a gateway tells control about itself, with its doors really open."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.assembly.gateway import RunningGateway
from app.assembly.settings import Settings
from tests.integration.gateway.rig import MemoryUplink


@pytest.mark.parametrize(
    ("public_host", "written"), [("video.example.org", "video.example.org"), ("2001:db8::1", "[2001:db8::1]")]
)
async def test_the_address_for_viewers_is_one_that_they_can_open(
    tmp_path: Path, public_host: str, written: str
) -> None:
    settings = Settings(data_dir=tmp_path, rtmp_port=0, http_port=0, public_host=public_host)
    gateway = RunningGateway(settings, MemoryUplink())
    await gateway.start()
    assert gateway.hello().http_url == f"http://{written}:{gateway.http_port}"
    assert gateway.hello().rtmp_host == public_host
    await gateway.stop()

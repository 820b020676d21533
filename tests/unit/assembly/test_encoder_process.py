"""What a node tells control about itself, from settings and machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.assembly.encoder import PLANNED_PIXELS_PER_S_PER_CORE, describe, media_build, tell_probes
from app.assembly.settings import Settings
from app.domain.encoder import CodecProbe
from app.ports.host import HostFacts

FACTS = HostFacts("A CPU", 6, 2**33, ("A GPU",))
PROBES = (CodecProbe("libx264", True),)


def settings(folder: Path, **given: object) -> Settings:
    return Settings(encoder_id="enc-7", data_dir=folder, **given)  # type: ignore[arg-type]  # types are Settings' own


def test_what_nobody_set_comes_from_the_machine(tmp_path: Path) -> None:
    info = describe(settings(tmp_path), FACTS, PROBES)
    assert (info.encoder_id, info.name) == ("enc-7", "enc-7")
    assert info.host_id.startswith("host_")
    assert info.capabilities.max_streams == 12
    assert info.capabilities.capacity_pixels_per_s == 6 * PLANNED_PIXELS_PER_S_PER_CORE
    assert info.capabilities.gpus == ("A GPU",)
    assert info.capabilities.build == media_build()
    assert (info.region, info.rack) == (None, None)


def test_what_an_operator_set_wins(tmp_path: Path) -> None:
    given = settings(tmp_path, host_id="host-x", encoder_name="Studio", max_streams=3, region="eu", rack="r1")
    info = describe(given, FACTS, PROBES)
    assert (info.host_id, info.name, info.region, info.rack) == ("host-x", "Studio", "eu", "r1")
    assert info.capabilities.max_streams == 3


@pytest.mark.parametrize(("cores", "streams"), [(1, 2), (16, 32), (128, 32)])
def test_the_number_of_streams_follows_the_cores_up_to_a_bound(tmp_path: Path, cores: int, streams: int) -> None:
    info = describe(settings(tmp_path), HostFacts(None, cores, 2**30, ()), PROBES)
    assert info.capabilities.max_streams == streams


def test_what_the_probes_found_is_one_line_and_the_rest_is_for_who_looks_closer() -> None:
    with capture_logs() as logs:
        tell_probes((*PROBES, CodecProbe("h264_nvenc", False, "no device"), CodecProbe("h264_qsv", False, "none")))
    [line] = [entry for entry in logs if entry["log_level"] == "info"]
    assert (line["works"], line["refused"]) == ("libx264", 2)
    assert "no device" in [entry.get("reason") for entry in logs]

"""Probe encodes tell the truth about this build and this machine."""

from __future__ import annotations

import av
import pytest

from app.domain.encoder import CodecProbe
from app.media.encoding.probe import PROBED, probe, probe_all, probe_in_child, read_verdict


async def test_software_encoders_work_and_each_refusal_has_its_reason() -> None:
    verdicts = {verdict.codec: verdict for verdict in await probe_all()}
    assert tuple(verdicts) == PROBED
    assert verdicts["libx264"].works
    assert verdicts["libx265"].works
    for verdict in verdicts.values():
        assert verdict.works != bool(verdict.reason)


def test_what_the_build_lacks_is_said_so() -> None:
    assert probe("h264_vaapi").reason == "not part of this build"


async def test_a_probe_that_hangs_is_ended() -> None:
    verdict = await probe_in_child("libx265", time_limit_s=0.001)
    assert not verdict.works
    assert verdict.reason is not None
    assert "no answer" in verdict.reason


def test_what_a_driver_says_before_the_verdict_is_not_taken_for_it() -> None:
    said = b'libva info: version 1.17.0\n{"works": true, "reason": null}\n'
    assert read_verdict("h264_vaapi", 0, said) == CodecProbe("h264_vaapi", True)


@pytest.mark.parametrize(("code", "said"), [(0, b""), (0, b"[]"), (0, b"{}"), (0, b"\xff{"), (-11, b"")])
def test_a_probe_without_a_verdict_is_a_refusal(code: int, said: bytes) -> None:
    verdict = read_verdict("h264_qsv", code, said)
    assert not verdict.works
    assert verdict.reason


async def test_a_name_no_build_knows_is_a_refusal() -> None:
    verdict = await probe_in_child("")
    assert not verdict.works
    assert verdict.reason


@pytest.mark.parametrize("name", ["libx264", "libx265"])
def test_a_probe_encodes_real_frames(name: str) -> None:
    assert probe(name).works


def test_a_probe_leaves_the_library_as_silent_as_it_was() -> None:
    before = av.logging.get_level()
    probe("h264_nvenc")
    assert av.logging.get_level() == before

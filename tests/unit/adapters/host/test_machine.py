"""Reading this very machine: what it has is plausible, what it lacks is None."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from app.adapters.host.machine import Machine
from app.adapters.host.machine_id import host_id


def test_facts_are_those_of_this_machine(tmp_path: Path) -> None:
    facts = Machine(tmp_path).facts()
    assert 1 <= facts.cpu_cores <= (os.cpu_count() or 1)
    assert facts.memory_bytes == psutil.virtual_memory().total


def test_a_reading_is_plausible_and_unknown_is_none(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    first, second = machine.read(), machine.read()
    assert first.network_bps is None, "one count is no rate"
    for percent in (second.cpu_percent, second.memory_percent, second.disk_percent, second.gpu_percent):
        assert percent is None or 0 <= percent <= 100
    assert second.temperature_c is None or 1 <= second.temperature_c <= 150
    assert second.disk_free_bytes


def test_a_volume_that_is_gone_has_no_free_space(tmp_path: Path) -> None:
    reading = Machine(tmp_path / "gone").read()
    assert reading.disk_free_bytes is None
    assert reading.disk_percent is None


def test_a_process_is_read_from_its_second_reading_on(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    first, second = machine.read_process(os.getpid()), machine.read_process(os.getpid())
    assert first is not None
    assert second is not None
    assert first.cpu_percent is None
    assert second.cpu_percent is not None
    assert second.rss_bytes > 2**20
    machine.forget_process(os.getpid())


def test_a_process_that_has_gone_reads_as_none(tmp_path: Path) -> None:
    assert Machine(tmp_path).read_process(2**22 - 1) is None


@pytest.fixture
def no_sources(tmp_path: Path) -> tuple[Path, ...]:
    return (tmp_path / "machine-id",)


def test_the_host_id_is_the_machine_s_but_does_not_show_it(tmp_path: Path, no_sources: tuple[Path, ...]) -> None:
    no_sources[0].write_text("0123456789abcdef0123456789abcdef\n")
    one, other = host_id(tmp_path / "a", no_sources), host_id(tmp_path / "b", no_sources)
    assert one == other
    assert one.startswith("host_")
    assert "0123456789abcdef" not in one
    assert not (tmp_path / "a").exists()


def test_without_a_machine_id_one_is_made_and_kept(tmp_path: Path, no_sources: tuple[Path, ...]) -> None:
    data = tmp_path / "data"
    assert host_id(data, no_sources) == host_id(data, no_sources)
    assert host_id(data, no_sources) != host_id(tmp_path / "other", no_sources)

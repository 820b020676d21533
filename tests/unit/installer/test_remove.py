"""Uninstalling takes what the installer made, and never anything outside the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.assembly.supervisor import one_at_a_time
from installer.remove import data_directory, uninstall


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    for name in (".venv/bin/python", "data/secrets.env", ".env", "app/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def left(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


def test_data_and_settings_stay_unless_asked(installed: Path) -> None:
    assert uninstall(installed, purge=False, dry_run=False) == 0
    assert left(installed) == {"data", ".env", "app"}
    assert uninstall(installed, purge=True, dry_run=False) == 0
    assert left(installed) == {"app"}


def test_a_dry_run_removes_nothing(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = left(installed)
    uninstall(installed, purge=True, dry_run=True)
    assert left(installed) == before
    assert "would remove" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["data", "outside"])
def test_nothing_is_removed_while_the_system_runs_on_this_directorys_data(
    installed: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    data = installed / "data"
    if where == "outside":
        data = tmp_path_factory.mktemp("elsewhere")
        (installed / ".env").write_text(f"ENCMAN_DATA_DIR={data}\n")
    before = left(installed)
    with one_at_a_time(data):
        assert uninstall(installed, purge=True, dry_run=False) == 1
    assert left(installed) == before
    assert "stop it" in capsys.readouterr().err
    assert uninstall(installed, purge=False, dry_run=False) == 0
    assert ".venv" not in left(installed)


def test_a_data_directory_that_is_a_link_is_removed_and_what_it_points_at_stays(
    installed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    disk = tmp_path_factory.mktemp("disk")
    (installed / "data/secrets.env").unlink()
    (installed / "data").rmdir()
    (installed / "data").symlink_to(disk)
    assert uninstall(installed, purge=True, dry_run=False) == 0
    assert left(installed) == {"app"}
    assert disk.is_dir()


@pytest.mark.parametrize("line", ["ENCMAN_DATA_DIR='my state'", 'export ENCMAN_DATA_DIR="my state"'])
def test_a_data_directory_is_found_however_its_name_is_written(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(line + "\n")
    assert data_directory(tmp_path) == tmp_path / "my state"


@pytest.mark.parametrize("named", ["/", "..", ".", "/etc", "../elsewhere"])
def test_a_data_directory_outside_the_project_is_never_named(tmp_path: Path, named: str) -> None:
    (tmp_path / ".env").write_text(f"ENCMAN_DATA_DIR={named}\n")
    assert data_directory(tmp_path) == tmp_path / "data"


def test_a_data_directory_inside_the_project_is_the_one_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ENCMAN_DATA_DIR=state\n")
    assert data_directory(tmp_path) == tmp_path / "state"

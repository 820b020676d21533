"""What the installer finds missing, told before it is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from installer.environment import Environment


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/run.txt").write_text("x==1 --hash=sha256:00\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return tmp_path


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def complete(project: Path) -> Environment:
    environment = Environment(project)
    program(environment.python, "exit 0")
    program(environment.command, "exit 0")
    environment.install()
    return environment


def test_on_a_fresh_checkout_everything_is_missing(project: Path) -> None:
    assert len(Environment(project).missing()) == 3


def test_once_installed_nothing_is_missing_and_nothing_is_done_again(project: Path) -> None:
    environment = complete(project)
    assert environment.missing() == ()
    program(environment.python, '[ "$2" = "import pip" ]')  # anything but the look fails
    environment.install()


@pytest.mark.parametrize("name", ["requirements/run.txt", "pyproject.toml"])
def test_changed_requirements_are_installed_but_the_environment_stays(project: Path, name: str) -> None:
    environment = complete(project)
    (project / name).write_text("changed\n")
    assert len(environment.missing()) == 2


def test_an_environment_whose_python_is_gone_is_made_anew(project: Path) -> None:
    environment = complete(project)
    environment.python.unlink()
    assert any("make" in step for step in environment.missing())

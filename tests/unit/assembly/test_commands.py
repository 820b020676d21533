"""What the commands that are processes say when they cannot start."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.__main__ import app


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a directory in which even root makes nothing")
@pytest.mark.parametrize("command", ["up", "secrets"])
def test_a_data_directory_that_cannot_be_made_is_told_in_words(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--data", "/proc/nothing"])
    assert result.exit_code == 2
    assert "--data" in result.stderr
    assert "/proc/nothing" in result.stderr

"""One running installation for each test module, and source files made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.source import Source, make_source
from tests.e2e.system import System, running_system


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("up") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def source_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Source, str], Path]:
    """Gives the file for a Source, made at the first ask."""
    folder = tmp_path_factory.mktemp("sources")
    made: dict[tuple[Source, str], Path] = {}

    def give(source: Source, suffix: str = ".flv") -> Path:
        if (source, suffix) not in made:
            made[source, suffix] = make_source(folder / f"{len(made)}{suffix}", source)
        return made[source, suffix]

    return give

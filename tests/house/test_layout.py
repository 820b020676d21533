"""The house keeps its own rules: sizes, docstrings, floors, words."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("app", "aiortmp", "installer")
MOST_LINES = 400
SELDOM_LINES = 300
SELDOM_SHARE = 0.1


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def texts() -> list[Path]:
    """What people read: code, tests, documents, build files."""
    folders = (*PACKAGES, "tests", "benchmarks", "docs", "requirements", ".ci")
    nested = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    top = [path for path in ROOT.iterdir() if path.is_file() and path.name not in (".env", ".git")]
    return [path for path in nested + top if "__pycache__" not in path.parts and "vendor" not in path.parts]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", modules(), ids=named)
def test_a_module_opens_with_what_it_is_for(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "a module docstring says what it is for and what it leaves to others"


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    lengths = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}
    long = [name for name, length in lengths.items() if length > SELDOM_LINES]
    assert len(long) <= SELDOM_SHARE * len(lengths), long


def test_nothing_is_left_for_later_and_no_machine_is_named() -> None:
    # Built from parts, so that this file does not find itself.
    words = [r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b", r"(?<![\w.])/(?:work|ro" + r"ot|ho" + r"me)/\w"]
    pattern = re.compile("|".join(words))
    found = []
    for path in texts():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [f"{named(path)}:{number}" for number, line in enumerate(lines, 1) if pattern.search(line)]
    assert found == []


def test_every_silenced_check_says_which_and_why() -> None:
    silencer = re.compile(r"#\s*(?:type: ignore|noqa)(?P<rest>.*)")
    bare = []
    for path in modules():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = silencer.search(line)
            if match and not re.match(r"(?:\[[\w, -]+\]|: ?[A-Z]+\d+(?:, ?[A-Z]+\d+)*)\s+\S", match["rest"]):
                bare.append(f"{named(path)}:{number}")
    assert bare == []


def test_the_floors_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:]


def test_every_room_of_the_application_is_on_a_floor() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    floors = {name.strip() for floor in contracts[0]["layers"] for name in floor.split("|")}
    rooms = {f"app.{path.parent.name}" for path in (ROOT / "app").glob("*/__init__.py")}
    assert rooms - floors == {"app.dashboard"}, "static files need no floor; code does"

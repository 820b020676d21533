"""The command line: every command speaks JSON, starts quickly, and the documents name only commands that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from app.__main__ import app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md")
HEAVY = ("aiohttp", "pydantic", "sqlalchemy", "av", "structlog", "rich", "socketio", "asyncio")
PROCESSES = {"control", "gateway", "encoder", "env", "secrets", "publish"}
"""These answer nothing, or text that is a file."""


def commands() -> dict[str, Any]:
    found: dict[str, Any] = {}

    def walk(command: Any, name: str) -> None:
        for word, child in getattr(command, "commands", {}).items():
            walk(child, f"{name} {word}".strip())
        if not getattr(command, "commands", None):
            found[name] = command

    walk(typer.main.get_command(app), "")
    return found


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("name", sorted(set(commands()) - PROCESSES))
def test_a_command_can_answer_in_json(name: str) -> None:
    assert "--json" in options(commands()[name])


@pytest.mark.parametrize("name", sorted(commands()))
def test_a_command_says_what_it_does(name: str) -> None:
    assert commands()[name].help


@pytest.mark.parametrize("name", sorted(commands()))
def test_no_command_takes_a_secret_where_every_user_of_the_machine_can_read_it(name: str) -> None:
    asked = {word.strip("-") for word in options(commands()[name])}
    assert not asked & {"key", "api-key", "stream-key", "token", "password", "secret"}


def test_asking_for_the_version_loads_nothing_heavy() -> None:
    program = "import sys, app.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert set(HEAVY) & set(loaded.stdout.split()) == set()


def lines_that_call(program: str) -> Iterator[tuple[str, list[str]]]:
    for name in DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        for block in re.findall(r"(?ms)^```\w*\n(.*?)^```", text):
            for line in block.replace("\\\n", " ").splitlines():
                match = re.match(rf"(?:\.venv/bin/|\./)?{re.escape(program)}(?:\s+(.*))?$", line.strip())
                if match:
                    yield name, shlex.split(match[1] or "", comments=True)


def test_the_documents_name_only_commands_and_options_that_exist() -> None:
    known = commands()
    called = list(lines_that_call("encoder-manager"))
    assert called, "the README shows no command"
    for document, words in called:
        plain = [word for word in words if not word.startswith("-")]
        command = known.get(" ".join(plain[:2])) or known.get(plain[0] if plain else "")
        assert command is not None, f"{document}: encoder-manager {' '.join(words)}"
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given <= options(command), f"{document}: encoder-manager {' '.join(words)}"


def test_the_documents_name_only_make_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?m)^([a-z]+):", makefile))
    called = [words[0] for _, words in lines_that_call("make") if words]
    assert "test" in called
    assert set(called) <= targets


def test_the_documents_point_at_files_that_exist() -> None:
    for document in (ROOT / name for name in (*DOCUMENTS, "docs/architecture.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_decision_is_in_the_list_and_the_list_is_in_order() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))


def test_the_programs_in_the_readme_are_programs() -> None:
    programs = re.findall(r"(?ms)^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(programs) >= 2
    for program in programs:
        compile(program, "README.md", "exec")

"""Files that repeat what the code says are equal to it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from app.assembly.env_example import env_example
from app.assembly.settings import PREFIX, Settings
from installer.answers import QUESTIONS, read_answers

ROOT = Path(__file__).resolve().parents[2]


def test_env_example_is_what_the_settings_say() -> None:
    written = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert written == env_example(), "run: encoder-manager env > .env.example"


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_installer_asks_only_for_settings_that_exist() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    asked = {name for answers in QUESTIONS.values() for names in answers.values() for name in names}
    assert asked <= known


def test_the_answers_in_the_repository_are_the_defaults() -> None:
    import yaml

    answers = read_answers(yaml.safe_load((ROOT / "installer-config.yml").read_text(encoding="utf-8")))
    given = {name.removeprefix(PREFIX).lower(): value for name, value in answers.environment.items()}
    assert Settings.model_validate(given) == Settings()
    assert answers.packages == ()


def test_every_dependency_is_pinned_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[\[><=; ]", entry)[0].lower() for entry in project["dependencies"]}
    for file in ("run.txt", "dev.txt"):
        text = (ROOT / "requirements" / file).read_text(encoding="utf-8")
        entries = [entry for entry in re.split(r"(?m)^(?=\S)", text) if entry.strip()]
        assert names <= {entry.split("==")[0] for entry in entries}, file
        assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_what_runs_is_what_is_tested() -> None:
    def pins(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        return dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", text))

    run, dev = pins("run.txt"), pins("dev.txt")
    assert run
    assert {name: (version, dev.get(name)) for name, version in run.items() if dev.get(name) != version} == {}


IMPORTED_AS = {
    "python-socketio": "socketio",
    "python-dotenv": "dotenv",
    "pyyaml": "yaml",
    "prometheus-client": "prometheus_client",
    "nvidia-ml-py": "pynvml",
    "google-re2": "re2",
}
LOADED_BY_NAME = {"aiosqlite"}
"""Drivers that SQLAlchemy loads when a database URL names them."""


def test_every_dependency_is_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[\[><=; ]", entry)[0] for entry in project["dependencies"]} - LOADED_BY_NAME
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "app").rglob("*.py"))
    unused = {
        name for name in names if not re.search(rf"(?m)^\s*(?:import|from) {IMPORTED_AS.get(name, name)}\b", code)
    }
    assert unused == set()

"""From answers to lines of `.env`: pure. Whether a value is right, the application itself finds out."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

# Section and name of an answer, and the settings it becomes.
QUESTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "directories": {"data": ("ENCMAN_DATA_DIR",)},
    "dependencies": {"system": ()},
    "database": {"url": ("ENCMAN_DATABASE_URL",)},
    "network": {
        "host": ("ENCMAN_CONTROL_HOST", "ENCMAN_RTMP_HOST", "ENCMAN_HTTP_HOST"),
        "public_host": ("ENCMAN_PUBLIC_HOST",),
        "control_port": ("ENCMAN_CONTROL_PORT",),
        "rtmp_port": ("ENCMAN_RTMP_PORT",),
        "http_port": ("ENCMAN_HTTP_PORT",),
    },
    "security": {
        "trusted_proxies": ("ENCMAN_TRUSTED_PROXIES",),
        "allowed_private_targets": ("ENCMAN_ALLOWED_PRIVATE_TARGETS",),
    },
}


class AnswersError(ValueError):
    """Every fault of the answers, one per line."""


@dataclass(frozen=True, slots=True)
class Answers:
    environment: Mapping[str, str]
    """Settings by name; what was left empty is not among them."""
    packages: tuple[str, ...]
    """Debian packages to install."""


def read_answers(content: object) -> Answers:
    """`content` is what the YAML file holds. Raises AnswersError."""
    faults: list[str] = []
    environment: dict[str, str] = {}
    packages: tuple[str, ...] = ()
    for section, name, value in _entries(content, faults):
        text = _text(value)
        if text is None:
            faults.append(f"{section}.{name}: a word, a number or a list of them is needed")
        elif (section, name) == ("dependencies", "system"):
            packages = tuple(text.split(",")) if text else ()
        elif text:
            environment.update(dict.fromkeys(QUESTIONS[section][name], text))
    if faults:
        raise AnswersError("\n".join(faults))
    return Answers(environment, packages)


def _entries(content: object, faults: list[str]) -> list[tuple[str, str, object]]:
    if content is None:
        return []
    if not isinstance(content, dict):
        faults.append("sections (`network:` and so on) are needed")
        return []
    entries: list[tuple[str, str, object]] = []
    for section, answers in content.items():
        if section not in QUESTIONS:
            faults.append(f"unknown section {section}{_nearest(section, list(QUESTIONS))}")
        elif answers is not None and not isinstance(answers, dict):
            faults.append(f"{section}: `name: value` lines are needed")
        else:
            for name, value in (answers or {}).items():
                if name in QUESTIONS[section]:
                    entries.append((section, name, value))
                else:
                    faults.append(f"unknown answer {section}.{name}{_nearest(name, list(QUESTIONS[section]))}")
    return entries


def _nearest(name: object, known: list[str]) -> str:
    near = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _text(value: object) -> str | None:
    if value is None:
        return ""
    if isinstance(value, list):
        parts = [_text(item) for item in value]
        return None if any(not part for part in parts) else ",".join(str(part) for part in parts)
    if isinstance(value, str | int) and "\n" not in str(value):
        return str(value)
    return None


def completed(existing: str, wanted: Mapping[str, str]) -> str:
    """The text of `.env` with the lines it lacks; what is there stays as it is."""
    present = {line.partition("=")[0].removeprefix("export ").strip() for line in existing.splitlines()}
    fresh = [f"{name}={_quoted(value)}" for name, value in wanted.items() if name not in present]
    if not fresh:
        return existing
    separator = "" if not existing or existing.endswith("\n") else "\n"
    return existing + separator + "\n".join(fresh) + "\n"


def _quoted(value: str) -> str:
    """As python-dotenv reads it back."""
    if all(c.isalnum() or c in "._-/:,@+" for c in value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

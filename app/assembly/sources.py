"""Where settings come from: reads environment, `.env`, the secrets file and YAML, and reports every fault at once.

Which settings exist is `settings.py`'s business. Nothing here is kept: each call reads anew.
"""

from __future__ import annotations

import difflib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from dotenv.parser import parse_stream
from pydantic import ValidationError

from app.assembly.settings import PLAIN_NAMES, PREFIX, SECRET_NAMES, Role, Settings, missing_secrets
from app.domain.errors import InvalidSettings

CONFIG_FILE: Final = "encoder-manager.yml"
SECRETS_FILE: Final = "secrets.env"
MAX_FILE_BYTES: Final = 256 * 1024
"""A settings file is a page of text; anything larger is a mistake or an attack."""
MAX_DEPTH: Final = 4
OTHER_NAMES: Final = frozenset({"API_KEY", "CONFIG", "LIFELINE", "SIMULATOR_PASSWORD", "STREAM_KEY"})
"""Read from the environment, but no setting: keys and passwords for the command line, the place of the YAML file,
and the supervisor's mark on its children."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One value as it was found; `value` is never shown, it may be a secret."""

    name: str
    value: object
    origin: str
    """`environment`, or `file:line`."""
    written: str | None = None
    """The name as it stands there, where it is another one than `name`."""


def load_settings(
    role: Role | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """The settings for `role` (None: no secret is demanded), read in `directory` (default: the current one).

    `overrides` are options of the command line and win over everything.
    Raises InvalidSettings that lists every fault with its place and a hint.
    """
    env = os.environ if environ is None else environ
    here = Path.cwd() if directory is None else directory
    faults: list[str] = []
    found: dict[str, Entry] = {}
    config = env.get(PREFIX + "CONFIG")
    _take(found, _yaml_entries(here / (config or CONFIG_FILE), faults, must_exist=config is not None), faults)
    dotenv = list(_dotenv_entries(here / ".env", faults))
    environment = list(_environment_entries(env))
    chosen = [Entry(name, value, "command line") for name, value in (overrides or {}).items()]
    data_dir = _last("data_dir", [*found.values(), *dotenv, *environment, *chosen])
    _take(found, _dotenv_entries(here / data_dir / SECRETS_FILE, faults), faults)
    _take(found, dotenv, faults)
    _take(found, environment, faults)
    _take(found, chosen, faults)
    return _checked(found, faults, role)


def _last(name: str, entries: list[Entry]) -> str:
    values = [str(entry.value) for entry in entries if entry.name == name]
    return values[-1] if values else str(Settings.model_fields[name].default)


def _take(found: dict[str, Entry], entries: Iterator[Entry] | list[Entry], faults: list[str]) -> None:
    for entry in entries:
        if entry.name in Settings.model_fields:
            found[entry.name] = entry
        else:
            faults.append(f"{entry.origin}: unknown setting {entry.written or entry.name}{_nearest(entry)}")


def _nearest(entry: Entry) -> str:
    near = difflib.get_close_matches(entry.name, Settings.model_fields, n=1, cutoff=0.6)
    if not near:
        return ""
    return f"; did you mean {PREFIX + near[0].upper() if entry.written else near[0]}?"


def _environment_entries(env: Mapping[str, str]) -> Iterator[Entry]:
    """Who writes a name both ways means the one with the prefix: it comes last."""
    for name in sorted(PLAIN_NAMES):
        if name.upper() in env:
            yield Entry(name, env[name.upper()], "environment", name.upper())
    for key in sorted(env):
        if key.startswith(PREFIX) and key.removeprefix(PREFIX) not in OTHER_NAMES:
            yield Entry(key.removeprefix(PREFIX).lower(), env[key], "environment", key)


def _read(path: Path, faults: list[str], *, must_exist: bool = False) -> str | None:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            faults.append(f"{path}: larger than {MAX_FILE_BYTES // 1024} KiB")
            return None
        return content.decode()
    except FileNotFoundError:
        if must_exist:
            faults.append(f"{path}: no such file")
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"{path}: {error.strerror if isinstance(error, OSError) else 'not UTF-8 text'}")
    return None


def _dotenv_entries(path: Path, faults: list[str]) -> Iterator[Entry]:
    """Keys without our prefix belong to others (Compose reads it too), unless they name a setting of ours."""
    text = _read(path, faults)
    if text is None:
        return
    holds_secret = False
    for binding in parse_stream(io.StringIO(text)):
        origin = f"{path}:{binding.original.line}"
        if binding.error:
            faults.append(f"{origin}: not NAME=value")
        if binding.key is None:
            continue
        name = binding.key.removeprefix(PREFIX)
        if binding.key.startswith(PREFIX) and name not in OTHER_NAMES:
            holds_secret |= name.lower() in SECRET_NAMES and bool(binding.value)
            yield Entry(name.lower(), binding.value or "", origin, binding.key)
        elif binding.key.isupper() and binding.key.lower() in PLAIN_NAMES:
            yield Entry(binding.key.lower(), binding.value or "", origin, binding.key)
        elif binding.key.lower() in Settings.model_fields:
            faults.append(f"{origin}: {binding.key} lacks its prefix: write {PREFIX}{binding.key.upper()}")
    if holds_secret and path.stat().st_mode & 0o077:
        faults.append(f"{path}: holds secrets and others may read it; run: chmod 600 {path}")


def _yaml_entries(path: Path, faults: list[str], *, must_exist: bool) -> Iterator[Entry]:
    text = _read(path, faults, must_exist=must_exist)
    if text is None:
        return
    try:
        bomb = _bomb(text)
        if bomb is not None:
            faults.append(f"{path}: {bomb}")
            return
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return
        if not isinstance(node, yaml.MappingNode):
            faults.append(f"{path}: a list of `name: value` is needed")
            return
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none
        mark = getattr(error, "problem_mark", None)
        faults.append(f"{path}{f':{mark.line + 1}' if mark else ''}: not valid YAML")
        return
    seen: set[str] = set()
    for key, _ in node.value:
        name, origin = str(key.value), f"{path}:{key.start_mark.line + 1}"
        if name in seen:
            faults.append(f"{origin}: {name} is there twice")
        elif name in SECRET_NAMES:
            faults.append(f"{origin}: {name} is a secret: put it into .env or {SECRETS_FILE} (mode 600)")
        else:
            yield Entry(name, "" if values.get(name) is None else values[name], origin)
        seen.add(name)


def _bomb(text: str) -> str | None:
    """What makes this small file costly to read, if anything does: no setting needs an alias or deep nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            return "aliases (*name) are not allowed"
        if depth > MAX_DEPTH:
            return f"nested deeper than {MAX_DEPTH}"
    return None


def _checked(found: Mapping[str, Entry], faults: list[str], role: Role | None) -> Settings:
    settings: Settings | None = None
    try:
        settings = Settings.model_validate({name: entry.value for name, entry in found.items()})
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            name = str(fault["loc"][0]) if fault["loc"] else ""
            entry = found.get(name)
            origin = f"{entry.origin}: " if entry else ""
            message = fault["msg"].removeprefix("Value error, ")
            line = f"{origin}{(entry and entry.written) or name}: {message}" if name else message
            if line not in faults:
                faults.append(line)
    if settings is not None and role is not None:
        faults.extend(
            f"{name} is missing: set {PREFIX}{name.upper()}; `encoder-manager up` and the installer make one"
            for name in missing_secrets(settings, role)
        )
    if faults or settings is None:
        raise InvalidSettings(
            "\n".join(["the settings are not usable:", *(f"  - {fault}" for fault in faults)]),
            hint="`encoder-manager env` prints every setting with its default",
        )
    return settings

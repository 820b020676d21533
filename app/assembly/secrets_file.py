"""Makes the secrets a machine needs and keeps them in `<data>/secrets.env`, mode 600. One that is there stays.

Reading them back is `sources.py`'s business.
"""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from app.assembly.settings import PREFIX
from app.assembly.sources import SECRETS_FILE
from app.services.key_service import new_api_key

HEADER: Final = "# Secrets of this installation. Keep this file; a changed key_pepper ends every API key.\n"


def _random_key() -> str:
    """256 bits as URL-safe text."""
    return secrets.token_urlsafe(32)


MAKERS: Final[Mapping[str, Callable[[], str]]] = {
    "link_token": _random_key,
    "key_pepper": _random_key,
    "seal_key": _random_key,
    "bootstrap_api_key": lambda: new_api_key().reveal(),
}


def ensure_secrets(data_dir: Path, already: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Make what is missing, except what is set elsewhere (`already`); the names of those made now.

    Raises OSError when the directory cannot be written.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / SECRETS_FILE
    before = path.read_text(encoding="utf-8") if path.exists() else HEADER
    kept = dotenv_values(stream=io.StringIO(before), interpolate=False)
    made = [name for name in MAKERS if name not in already and not kept.get(PREFIX + name.upper())]
    if made:
        end = "" if before.endswith("\n") or not before else "\n"
        lines = [f"{PREFIX}{name.upper()}={MAKERS[name]()}\n" for name in made]
        _write_private(path, before + end + "".join(lines))
    return tuple(made)


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and at no moment readable by others."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)

"""One name per machine, the same at every start: two encoders of one machine die together."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Final

from app.domain.ids import HostId

_SOURCES: Final = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_SALT: Final = b"encoder-manager host\0"


def host_id(data_dir: Path, sources: tuple[Path, ...] = _SOURCES) -> HostId:
    """From the system's machine id, hashed because it is private; else made once and kept in `data_dir`."""
    for source in sources:
        text = _text(source)
        if text is not None:
            return _name(text)
    kept = data_dir / "host-id"
    text = _text(kept)
    if text is None:
        text = secrets.token_hex(16)
        data_dir.mkdir(parents=True, exist_ok=True)
        kept.write_text(text + "\n", encoding="ascii")
    return _name(text)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip() or None
    except OSError:
        return None


def _name(text: str) -> HostId:
    return HostId("host_" + hashlib.sha256(_SALT + text.encode()).hexdigest()[:16])

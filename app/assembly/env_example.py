"""Writes `.env.example` from the table of settings, so that the two cannot differ."""

from __future__ import annotations

from app.assembly.settings import PREFIX, SECRET_NAMES, Settings

HEADER = """\
# Every setting with its default. Written by `encoder-manager env`; do not edit by hand.
# Copy to .env and take the # away from what you change. The environment wins over .env.
"""
FOLLOWS = {
    "control_url": "http://<control_host>:<control_port>",
    "database_url": "sqlite+aiosqlite:///<data_dir>/encoder-manager.db",
    "gateway_id": "gateway-<host name>",
    "encoder_id": "encoder-<host name>",
}
"""Defaults that follow from other settings or the machine."""


def env_example() -> str:
    lines = [HEADER]
    for name, field in Settings.model_fields.items():
        lines.append(f"# {field.description}\n")
        lines.append(f"#{PREFIX}{name.upper()}={_default(name)}\n\n")
    return "".join(lines).rstrip("\n") + "\n"


def _default(name: str) -> str:
    if name in SECRET_NAMES:
        return ""
    if name in FOLLOWS:
        return FOLLOWS[name]
    default = Settings.model_fields[name].default
    return "" if default is None or default == () else str(default)

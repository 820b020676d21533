"""Logs of every process: a line for each fact, pretty or JSON, with secrets and control characters taken out last.

Parts take a logger from `structlog.get_logger()` and name the fact first, its subjects as keywords:
`log.info("worker replaced", stream_id=..., encoder_id=..., generation=..., cause=...)`.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog

from app.domain.secret import STARS, Secret

_SECRET_NAMES: Final = re.compile(
    r"(?i)(^|_)(key|keys|token|password|secret|pepper|authorization|cookie)$|(^|_)(stream_key|api_key)(_|$)"
)
_PATTERNS: Final = (
    # An RTMP address with a stream key as its last part, whatever the application is called.
    (re.compile(r"(?i)\b(rtmps?://[^/\s]+/[^/\s?]+/)[^\s\"'<>]+"), rf"\1{STARS}"),
    (re.compile(r"(?<![\w-])((?:/|\b)live/)[A-Za-z0-9_-]{8,}"), rf"\1{STARS}"),
    (re.compile(r"\bemk_[a-z]+_[A-Za-z0-9_-]+"), STARS),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]+"), rf"\1 {STARS}"),
    (re.compile(r"(?i)([?&](?:key|token|password|secret)=)[^&\s\"']+"), rf"\1{STARS}"),
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), rf"\1{STARS}@"),
)
_SUSPECT: Final = re.compile(r"(?i)[/=]|emk_|bearer|basic")
"""In whatever one of the patterns takes. Most texts have none of it, and one search costs less than six."""
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROLS_BUT_LINES: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_MANY_LINES: Final = frozenset(("exception", "stack"))
_MAX_DEPTH: Final = 6


def configure_logs(*, level: str, fmt: str, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging for this process; `fmt` is `pretty` or `json`."""
    out = sys.stderr if stream is None else stream
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(default=str)
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # As text, so that redaction sees what an exception says too.
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # They tell of every payload, request or step at info level; payloads hold keys.
    for noisy in ("socketio", "engineio", "aiohttp.access", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # Warns of each round that it leaves out because the last one is not over, as it was told to.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor: stars for whatever is or looks like a secret, escapes for what could begin a line or steer a
    terminal. Nothing may come after it but rendering."""
    told: dict[str, Any] = {}
    for name, value in event.items():
        if name in _MANY_LINES and isinstance(value, str):
            told[name] = _CONTROLS_BUT_LINES.sub(_escaped, redact_text(value))
        else:
            told[_visible(name)] = _redacted(value, secret=bool(_SECRET_NAMES.search(name)), depth=0)
    return told


def redact_text(text: str) -> str:
    """`text` with stream keys, API keys, tokens and passwords replaced by stars."""
    if not _SUSPECT.search(text):
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _visible(text: str) -> str:
    return _CONTROLS.sub(_escaped, text)


def _escaped(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode()


def _redacted(value: object, *, secret: bool, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if secret or isinstance(value, Secret):
        return STARS
    if isinstance(value, str):
        return _visible(redact_text(value))
    if depth >= _MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        return {
            name: _redacted(item, secret=bool(_SECRET_NAMES.search(str(name))), depth=depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(item, secret=False, depth=depth + 1) for item in value]
    return _visible(redact_text(str(value)))

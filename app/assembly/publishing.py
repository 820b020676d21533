"""`encoder-manager publish`: finds or opens the stream over control's HTTP door, then sends to its RTMP door."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import typer

from app.assembly.logs import configure_logs
from app.cli.client import EXIT_FAILED, Access, call, fail
from app.cli.streams import open_stream, quoted
from app.domain.errors import ManagerError
from app.domain.secret import Secret


def publish_to(access: Access, *, source: str, stream: str | None, loop: bool) -> int:
    """The exit code. A stream opened here is ended here."""
    if source != "testcard":
        _look_at(Path(source))
    if stream is not None:
        server = publishers_door(call(access, "GET", f"/api/streams/{quoted(stream)}"))
        text = os.environ.get("ENCMAN_STREAM_KEY") or typer.prompt("stream key", hide_input=True)
        return _send(source, server, Secret(text), loop=loop)
    opened = open_stream(access, resolution="1280x720", bitrate=2_500_000, fps=30, name=Path(source).name)
    stream_id = str(opened["stream_id"])
    typer.echo(f"stream {stream_id}")
    for name, url in (opened.get("playback") or {}).items():
        if url:
            typer.echo(f"  {name:<9} {url}")
    try:
        return _send(source, str(opened["rtmp_url"]), Secret(str(opened["stream_key"])), loop=loop)
    finally:
        call(access, "DELETE", f"/api/streams/{quoted(stream_id)}")
        typer.echo(f"stream {stream_id} ended")


def _look_at(file: Path) -> None:
    """Exits with words for what cannot be read: no stream is opened for it."""
    if not file.is_file():
        fail(f"{file} is no file", hint="name a video file, or `testcard`")
    from app.media.encoding.files import file_facts

    try:
        file_facts(file)
    except ManagerError as error:
        fail(error.detail, hint=error.hint)


def publishers_door(stream: Mapping[str, Any]) -> str:
    """The RTMP address for publishers: the listener that viewers dial too, under its other application name."""
    viewers = (stream.get("playback") or {}).get("rtmp")
    if not viewers:
        fail("the gateway of this stream is not known", hint="is it running? `encoder-manager doctor` looks")
    parts = urlsplit(str(viewers))
    return f"{parts.scheme}://{parts.netloc}/live"


def _send(source: str, server: str, key: Secret, *, loop: bool) -> int:
    """Ctrl-C and SIGTERM are the usual ends, and no fault."""
    from app.media.encoding.publish import publish

    configure_logs(level="warning", fmt="pretty")
    try:
        asyncio.run(until_signal(publish(source, server, key, loop=loop)))
    except (ManagerError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        return EXIT_FAILED
    return 0


async def until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Runs `work` to its end, or cancels it on SIGTERM or SIGINT: it ends where it waits, in order."""
    loop = asyncio.get_running_loop()
    caller = asyncio.current_task()
    assert caller is not None
    task = loop.create_task(work, name="publishing")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        if caller.cancelling():
            raise

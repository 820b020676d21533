"""What `encoder-manager publish` runs: the test card or a file, sent to one RTMP address."""

from __future__ import annotations

from app.domain.secret import Secret
from app.media.encoding.publish import publish


async def run(source: str, url: str, key: Secret, *, loop: bool) -> None:
    """`source` is `testcard` or a file's path; returns at its end. Raises ManagerError.

    NotAllowed says why the server refused; Unavailable that it can't be reached or went away.
    """
    await publish(source, url, key, loop=loop)

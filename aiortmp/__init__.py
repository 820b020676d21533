"""RTMP for asyncio, with a core that does no I/O.

`aiortmp.aio` holds `serve` and `connect`. The names here are what travels through them: messages,
batches, limits, errors. `aiortmp.flv` reads and writes media payloads, `aiortmp.amf0` values.
"""

from aiortmp import amf0, flv
from aiortmp.errors import ConnectionLost, LimitExceeded, ProtocolError, Rejected, RtmpError
from aiortmp.limits import Limits
from aiortmp.media import MediaBatch, MediaMessage, MessageType

__all__ = [
    "ConnectionLost",
    "LimitExceeded",
    "Limits",
    "MediaBatch",
    "MediaMessage",
    "MessageType",
    "ProtocolError",
    "Rejected",
    "RtmpError",
    "amf0",
    "flv",
]

"""Every error that leaves this library.

RtmpError
├── ProtocolError      the peer broke the protocol; the connection cannot go on
│   └── LimitExceeded  the peer stayed within the protocol but beyond one of our limits
├── Rejected           the other side said no, with its code and words
└── ConnectionLost     the transport ended, or somebody ended it

Misuse by the caller (sending on a closed stream, encoding an unsupported value) is a plain
``RuntimeError``, ``TypeError`` or ``ValueError``: it is a defect, not a condition to handle.
"""

from __future__ import annotations


class RtmpError(Exception):
    """Base of all conditions a caller may want to handle."""


class ProtocolError(RtmpError):
    """The peer sent bytes that RTMP does not allow."""


class LimitExceeded(ProtocolError):
    """The peer went past a bound of `Limits`; ``limit`` is the name of that field."""

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit


class Rejected(RtmpError):
    """The other side refused; ``code`` and ``description`` are its own words."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description


class ConnectionLost(RtmpError):
    """The connection is over; the text says who ended it and why."""

"""Every error a caller can meet.

ManagerError
├── InvalidRequest            the request can never work as it is
│   └── InvalidSettings       the same, for what an operator configured
├── NotAuthenticated          no key, or not one of ours
├── NotAllowed                a key, but not for this
├── NotFound                  no such thing, or not yours
├── Conflict                  the thing is in a state that forbids this
├── TooManyRequests           come back later (retry_after_s)
├── NoCapacity                no encoder can take it now
├── Unavailable               a part of the system is away; trying again makes sense
│   └── NotLeading            another control acts now; it, or this one later, takes the same call
└── DeviceError               an encoder answered, but not as it should
"""

from __future__ import annotations

from typing import ClassVar


class ManagerError(Exception):
    """`code` is stable and machine-readable; `hint` tells a person what to do next, or is None.

    `retryable` says whether the same call can succeed later without being changed.
    """

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, hint: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.retry_after_s = retry_after_s


class InvalidRequest(ManagerError):
    code = "invalid_request"


class InvalidSettings(InvalidRequest):
    code = "invalid_settings"


class NotAuthenticated(ManagerError):
    code = "not_authenticated"


class NotAllowed(ManagerError):
    code = "not_allowed"


class NotFound(ManagerError):
    code = "not_found"


class Conflict(ManagerError):
    code = "conflict"


class TooManyRequests(ManagerError):
    code = "too_many_requests"
    retryable = True


class NoCapacity(ManagerError):
    """`reason` says for machines what is missing, or is None: what a node answers of itself names none."""

    code = "no_capacity"
    retryable = True

    def __init__(
        self,
        detail: str,
        *,
        hint: str | None = None,
        retry_after_s: float | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(detail, hint=hint, retry_after_s=retry_after_s)
        self.reason = reason


class Unavailable(ManagerError):
    code = "unavailable"
    retryable = True


class NotLeading(Unavailable):
    code = "not_leading"


class DeviceError(ManagerError):
    code = "device_error"
    retryable = True

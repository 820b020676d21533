"""The forms of text that bodies may hold, each with the sentence that a wrong one is answered with.

The pattern alone is for machines: it stays in the API's description.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError


def _told(sentence: str) -> WrapValidator:
    """Whatever is wrong with the text, `sentence` says what is wanted. The text itself is never repeated."""

    def check(value: object, inner: ValidatorFunctionWrapHandler) -> object:
        try:
            return inner(value)
        except ValidationError:
            raise PydanticCustomError("text_form", "{wanted}", {"wanted": sentence}) from None

    return WrapValidator(check)


Resolution = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$"),
    _told("should be WIDTHxHEIGHT, like 1280x720"),
    Field(description="WIDTHxHEIGHT", examples=["1920x1080"]),
]
Target = Annotated[
    str,
    StringConstraints(min_length=8, max_length=2048, pattern=r"^rtmps?://[^\s\x00-\x1f\x7f]+$"),
    _told("should be an address like rtmp://HOST/APP/KEY or rtmps://HOST/APP/KEY"),
    Field(description="rtmp:// or rtmps:// with the stream key: never shown again"),
]
DeviceUrl = Annotated[
    str,
    StringConstraints(min_length=8, max_length=512, pattern=r"^https?://[^\s/@?#\x00-\x1f\x7f]+/?$"),
    _told("should be an address like http://HOST or https://HOST:PORT, without user, password or path"),
    Field(description="http:// or https:// and host: the base of its web interface", examples=["http://10.1.2.3"]),
]
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$"),
    _told("should be 1 to 100 characters without control characters"),
]
Word = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$"),
    _told("should be 1 to 64 letters, digits, dots, hyphens or underscores"),
]
EncoderName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,128}$"),
    _told("should be the id of an encoder, as GET /api/encoders lists them"),
]
RenditionName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$"),
    _told("should be 1 to 32 letters, digits, hyphens or underscores"),
]

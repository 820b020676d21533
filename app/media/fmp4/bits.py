"""Reads single bits and Exp-Golomb numbers out of parameter sets. Leaves their meaning to the callers."""

from __future__ import annotations


class BitsExhausted(ValueError):
    """The parameter set ends before the field that was asked for."""


class BitReader:
    """Bits of `data`, most significant first. Every method raises BitsExhausted at the end."""

    __slots__ = ("_left", "_value")

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def u(self, count: int) -> int:
        """An unsigned number of `count` bits."""
        if count > self._left:
            raise BitsExhausted(f"{count} bits wanted, {self._left} left")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def ue(self) -> int:
        """Unsigned Exp-Golomb, ITU-T H.264 §9.1; at most 32 leading zeros."""
        zeros = 0
        while self.u(1) == 0:
            zeros += 1
            if zeros > 32:
                raise BitsExhausted("an Exp-Golomb number has no end")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Signed Exp-Golomb, ITU-T H.264 §9.1.1."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)

    def skip(self, count: int) -> None:
        self.u(count)


def unescape(nal: bytes) -> bytes:
    """The payload of a NAL unit without its emulation prevention bytes, ITU-T H.264 §7.4.1."""
    parts = nal.split(b"\x00\x00\x03")
    return b"\x00\x00".join(parts)

"""H.264 and HEVC NAL units: from start codes to length prefixes, and the records that carry parameter sets.

Sources: ISO/IEC 14496-15 section 5.3.3 (avcC) and 8.3.3 (hvcC), ITU-T H.264 and H.265 annex B, H.265 section 7.3.3.
"""

from __future__ import annotations

_START = b"\x00\x00\x01"
_HEVC_VPS, _HEVC_SPS, _HEVC_PPS = 32, 33, 34
_H264_SPS, _H264_PPS = 7, 8
_H264_SPS_BYTES, _HEVC_SPS_BYTES = 4, 15
"""What the records repeat from a sequence parameter set: its profile and level."""
_HIGH_PROFILES = frozenset((100, 110, 122, 244))


def split_units(data: bytes) -> list[bytes]:
    """The NAL units of an annex B byte stream, without start codes and trailing zeros."""
    return [unit for part in data.split(_START)[1:] if (unit := part.rstrip(b"\x00"))]


def length_prefixed(data: bytes) -> bytes:
    """An annex B byte stream with a 4-byte length before each unit instead of start codes."""
    parts: list[bytes] = []
    for unit in split_units(data):
        parts.append(len(unit).to_bytes(4, "big"))
        parts.append(unit)
    return b"".join(parts)


def avc_record(annex_b: bytes) -> bytes:
    """The avcC record of parameter sets given as annex B. Raises ValueError when one is missing or cut short.

    Pictures are taken to be 4:2:0 with 8 bits, which is what the encoders here are opened with.
    """
    units = split_units(annex_b)
    sps = [unit for unit in units if unit[0] & 0x1F == _H264_SPS and len(unit) >= _H264_SPS_BYTES]
    pps = [unit for unit in units if unit[0] & 0x1F == _H264_PPS]
    if not sps or not pps:
        raise ValueError("there are no H.264 parameter sets")
    record = bytearray((1, sps[0][1], sps[0][2], sps[0][3], 0xFF, 0xE0 | len(sps)))
    record += _counted(sps) + bytes((len(pps),)) + _counted(pps)
    if sps[0][1] in _HIGH_PROFILES:
        record += bytes((0xFC | 1, 0xF8, 0xF8, 0))
    return bytes(record)


def hevc_record(annex_b: bytes) -> bytes:
    """The hvcC record of parameter sets given as annex B (4:2:0, 8 bits). Raises ValueError as `avc_record`."""
    units = split_units(annex_b)
    sets = {kind: [u for u in units if u[0] >> 1 & 0x3F == kind] for kind in (_HEVC_VPS, _HEVC_SPS, _HEVC_PPS)}
    if not all(sets.values()):
        raise ValueError("there are no HEVC parameter sets")
    # Two bytes of NAL header and one of counts, then the 12 bytes of general profile, tier and level.
    sps = sets[_HEVC_SPS][0].replace(b"\x00\x00\x03", b"\x00\x00")
    if len(sps) < _HEVC_SPS_BYTES:
        raise ValueError("the HEVC parameter sets are cut short")
    profile = sps[3:15]
    temporal_layers = (sps[2] >> 1 & 7) + 1
    record = bytearray(b"\x01" + profile)
    record += bytes((0xF0, 0, 0xFC, 0xFC | 1, 0xF8, 0xF8, 0, 0, temporal_layers << 3 | 1 << 2 | 3, 3))
    for kind, members in sets.items():
        record += bytes((0x80 | kind,)) + len(members).to_bytes(2, "big") + _counted(members)
    return bytes(record)


def _counted(units: list[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)

"""Picture sizes out of H.264, HEVC and AV1 parameter sets. Everything else in them is skipped.

A parameter set that cannot be read gives None: the size may come from elsewhere, and a guess would be a lie.
"""

from __future__ import annotations

from app.media.fmp4.bits import BitReader, BitsExhausted, unescape

Size = tuple[int, int]
"""Width and height in pixels as shown, after cropping."""

_CHROMA_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


def avc_size(record: bytes) -> Size | None:
    """Size out of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1)."""
    if len(record) < 8 or record[5] & 31 == 0:
        return None
    length = int.from_bytes(record[6:8], "big")
    try:
        return _avc_sps_size(unescape(record[8 : 8 + length]))
    except BitsExhausted:
        return None


def _avc_sps_size(sps: bytes) -> Size:
    """ITU-T H.264 §7.3.2.1.1."""
    reader = BitReader(sps[1:])
    profile = reader.u(8)
    reader.skip(16)
    reader.ue()
    chroma = 1
    if profile in _CHROMA_PROFILES:
        chroma = _skip_avc_chroma(reader)
    reader.ue()
    _skip_avc_order_count(reader)
    reader.ue()
    reader.skip(1)
    width = (reader.ue() + 1) * 16
    map_units = reader.ue() + 1
    frames_only = reader.u(1)
    height = map_units * 16 * (2 - frames_only)
    if not frames_only:
        reader.skip(1)
    reader.skip(1)
    if reader.u(1):
        left, right, top, bottom = (reader.ue() for _ in range(4))
        unit_x = 2 if chroma in (1, 2) else 1
        unit_y = (2 if chroma == 1 else 1) * (2 - frames_only)
        width -= (left + right) * unit_x
        height -= (top + bottom) * unit_y
    return width, height


def _skip_avc_chroma(reader: BitReader) -> int:
    chroma = reader.ue()
    if chroma == 3:
        reader.skip(1)
    reader.ue()
    reader.ue()
    reader.skip(1)
    if reader.u(1):
        for index in range(8 if chroma != 3 else 12):
            if reader.u(1):
                _skip_scaling_list(reader, 16 if index < 6 else 64)
    return chroma


def _skip_scaling_list(reader: BitReader, count: int) -> None:
    last = scale = 8
    for _ in range(count):
        if scale:
            scale = (last + reader.se()) % 256
        last = scale or last


def _skip_avc_order_count(reader: BitReader) -> None:
    kind = reader.ue()
    if kind == 0:
        reader.ue()
    elif kind == 1:
        reader.skip(1)
        reader.se()
        reader.se()
        for _ in range(min(reader.ue(), 255)):
            reader.se()


def hevc_size(record: bytes) -> Size | None:
    """Size out of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3.1)."""
    sps = _hevc_sps(record)
    if sps is None:
        return None
    try:
        return _hevc_sps_size(unescape(sps))
    except BitsExhausted:
        return None


def _hevc_sps(record: bytes) -> bytes | None:
    position = 23
    for _ in range(record[22] if len(record) > 22 else 0):
        if position + 3 > len(record):
            return None
        kind = record[position] & 63
        count = int.from_bytes(record[position + 1 : position + 3], "big")
        position += 3
        for _ in range(count):
            length = int.from_bytes(record[position : position + 2], "big")
            if kind == 33:
                return record[position + 2 : position + 2 + length]
            position += 2 + length
            if position > len(record):
                return None
    return None


def _hevc_sps_size(sps: bytes) -> Size:
    """ITU-T H.265 §7.3.2.2.1."""
    reader = BitReader(sps[2:])
    reader.skip(4)
    sub_layers = reader.u(3)
    reader.skip(1)
    _skip_profile_tier_level(reader, sub_layers)
    reader.ue()
    chroma = reader.ue()
    if chroma == 3:
        reader.skip(1)
    width, height = reader.ue(), reader.ue()
    if reader.u(1):
        left, right, top, bottom = (reader.ue() for _ in range(4))
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1)
    return width, height


def _skip_profile_tier_level(reader: BitReader, sub_layers: int) -> None:
    reader.skip(96)
    present = [(reader.u(1), reader.u(1)) for _ in range(sub_layers)]
    if sub_layers:
        reader.skip(2 * (8 - sub_layers))
    for profile, level in present:
        reader.skip(88 * profile + 8 * level)


def av1_size(record: bytes) -> Size | None:
    """Size out of the sequence header in an AV1CodecConfigurationRecord (AV1 ISOBMFF binding §2.3)."""
    obus = record[4:]
    if not obus or obus[0] >> 3 & 15 != 1:
        return None
    start = 2 if obus[0] & 4 else 1
    if obus[0] & 2:
        while start < len(obus) and obus[start] & 128:
            start += 1
        start += 1
    try:
        return _av1_sequence_size(BitReader(obus[start:]))
    except BitsExhausted:
        return None


def _av1_sequence_size(reader: BitReader) -> Size | None:
    """AV1 bitstream §5.5.1, up to the maximum frame size."""
    reader.skip(4)
    if reader.u(1):
        reader.skip(5)
    else:
        if reader.u(1):
            return None
        display_delay = reader.u(1)
        for _ in range(reader.u(5) + 1):
            reader.skip(12)
            if reader.u(5) > 7:
                reader.skip(1)
            if display_delay and reader.u(1):
                reader.skip(4)
    width_bits = reader.u(4) + 1
    height_bits = reader.u(4) + 1
    return reader.u(width_bits) + 1, reader.u(height_bits) + 1

"""Scenes with and without faults, drawn and encoded: what content checks are measured with.

A scene is a picture and a loudness for every moment; from it source and programme are encoded apart from each
other, as a publisher and an encoder do, with key frames at different times. Labelled by what is wrong, and with
whom.
"""

from __future__ import annotations

import array
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from app.domain.content import Fault, Side
from app.media.encoding.nal import avc_record, length_prefixed
from app.media.encoding.packets import AudioConfig, AudioPacket, SourceItem, VideoConfig, VideoPacket

WIDTH: Final = 320
HEIGHT: Final = 180
FPS: Final = 10
FROM_S: Final = 6.0
UNTIL_S: Final = 19.0
LASTS_S: Final = 24.0
RATE: Final = 48_000
BLOCK: Final = 1024

Draw = Callable[[float], bytes]
"""The luma of a moment, coded range 16 to 235."""
Sound = Callable[[float], float]
"""Amplitude of a moment, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Scene:
    """`kind` is what it is called in the table. `fault` and `side` None: nothing is wrong with it."""

    kind: str
    variant: str
    fault: Fault | None
    side: Side | None
    source: Draw
    programme: Draw
    source_sound: Sound
    programme_sound: Sound
    source_bps: int = 600_000
    programme_bps: int = 250_000
    source_key_s: float = 2.0
    key_at_s: float = 0.0
    """When one of the programme's key frames comes: a fault begins anywhere between two."""
    also: frozenset[tuple[Fault, Side]] = frozenset()
    """What is wrong with it besides."""


# --- pictures


def film(seed: int, *, low: int = 40, high: int = 200, noise: int = 0) -> Draw:
    """Something that moves: a slope that slides, and a bright block that wanders."""
    dice = random.Random(seed)
    speed, drop = dice.uniform(20, 80), dice.randrange(10, 100)
    span = high - low
    slope = bytes(low + abs(x % (2 * span) - span) for x in range(WIDTH * 3))

    def draw(at_s: float) -> bytes:
        shift = int(at_s * speed) % WIDTH
        row = slope[shift : shift + WIDTH]
        left = int(at_s * speed * 1.7) % (WIDTH - 40)
        marked = row[:left] + bytes((high,)) * 40 + row[left + 40 :]
        picture = row * drop + marked * 40 + row * (HEIGHT - drop - 40)
        return grain(picture, noise) if noise else picture

    return draw


def flat(level: int, *, noise: int = 0) -> Draw:
    plain = bytes((level,)) * (WIDTH * HEIGHT)
    return lambda at_s: grain(plain, noise) if noise else plain


def grain(picture: bytes, most: int) -> bytes:
    """With noise of up to `most` levels; the picture has room above."""
    table = bytes(value % (most + 1) for value in range(256))
    added = random.randbytes(len(picture)).translate(table)
    total = int.from_bytes(picture, "big") + int.from_bytes(added, "big")
    return total.to_bytes(len(picture), "big")


def slide(seed: int, *, paper: int = 220, ink: int = 40, lines: int = 8) -> Draw:
    """A page of text that does not change."""
    dice = random.Random(seed)
    page = bytearray(bytes((paper,)) * (WIDTH * HEIGHT))
    for line in range(lines):
        top = 12 + line * (HEIGHT - 24) // lines
        left = 20
        while left < WIDTH - 40:
            word = dice.randrange(6, 28)
            for y in range(top, top + 6):
                page[y * WIDTH + left : y * WIDTH + left + word] = bytes((ink,)) * word
            left += word + 6
    still = bytes(page)
    return lambda at_s: still


def head(seed: int, *, size: int = 36) -> Draw:
    """Somebody who speaks in front of a wall: little moves, and not far."""
    dice = random.Random(seed)
    wall = bytes(90 + (x + seed) % 40 for x in range(WIDTH)) * HEIGHT
    moves = [(dice.randrange(-6, 7), dice.randrange(-4, 5)) for _ in range(int(LASTS_S * 4) + 1)]

    def draw(at_s: float) -> bytes:
        picture = bytearray(wall)
        right, down = moves[int(at_s * 4)]
        for y in range(70 + down, 70 + down + size):
            picture[y * WIDTH + 140 + right : y * WIDTH + 140 + right + size] = bytes((190,)) * size
        return bytes(picture)

    return draw


def with_logo(draw: Draw, level: int = 200) -> Draw:
    """A mark of a tenth of the width in the upper right corner."""

    def drawn(at_s: float) -> bytes:
        picture = bytearray(draw(at_s))
        for y in range(10, 22):
            picture[y * WIDTH + 275 : y * WIDTH + 307] = bytes((level,)) * 32
        return bytes(picture)

    return drawn


def with_corner(draw: Draw) -> Draw:
    """A clock ticks in a corner: a few pixels, once a second."""

    def drawn(at_s: float) -> bytes:
        picture = bytearray(draw(at_s))
        level = 30 if int(at_s) % 2 else 220
        for y in range(8, 20):
            picture[y * WIDTH + 290 : y * WIDTH + 302] = bytes((level,)) * 12
        return bytes(picture)

    return drawn


def during(other: Draw, normal: Draw, *, start_s: float = FROM_S, end_s: float = UNTIL_S) -> Draw:
    return lambda at_s: other(at_s) if start_s <= at_s < end_s else normal(at_s)


def frozen(draw: Draw) -> Draw:
    """Stands still from FROM_S to UNTIL_S."""
    return lambda at_s: draw(FROM_S if FROM_S <= at_s < UNTIL_S else at_s)


def faded(draw: Draw, *, fade_s: float, black_s: float, start_s: float = FROM_S) -> Draw:
    """Down to black, black for a while, up again."""

    def drawn(at_s: float) -> bytes:
        into = at_s - start_s
        gone = min(into / fade_s, 1.0, (2 * fade_s + black_s - into) / fade_s)
        if gone <= 0:
            return draw(at_s)
        table = bytes(16 + max(0, round((value - 16) * (1 - gone))) for value in range(256))
        return draw(at_s).translate(table)

    return drawn


# --- sound


def music(level: float = 0.2) -> Sound:
    return lambda at_s: level


def talk(seed: int, *, level: float = 0.15, pause_s: float = 1.2, floor: float = 0.0) -> Sound:
    """Words of a second or two, and pauses between them; `floor`: the room's own noise."""
    dice = random.Random(seed)
    edges: list[float] = []
    at_s = 0.0
    while at_s < LASTS_S + 10:
        at_s += dice.uniform(0.5, 2.5) if len(edges) % 2 == 0 else dice.uniform(0.2, pause_s)
        edges.append(at_s)
    return lambda t: level if sum(edge <= t for edge in edges) % 2 == 0 else floor


def hushed(sound: Sound, *, start_s: float = FROM_S, end_s: float = UNTIL_S, to: float = 0.0) -> Sound:
    return lambda at_s: to if start_s <= at_s < end_s else sound(at_s)


# --- encoding


def encoded(draw: Draw, sound: Sound | None, *, bps: int, key_s: float, key_at_s: float) -> Iterator[SourceItem]:
    """As a publisher sends it, in the order of time. Key frames each `key_s` from `key_at_s` on, and the first."""
    pictures = _pictures(draw, bps=bps, key_s=key_s, key_at_s=key_at_s)
    sounds = _sounds(sound) if sound is not None else []
    headers = [item for item in (*pictures, *sounds) if isinstance(item, VideoConfig | AudioConfig)]
    packets = [item for item in (*pictures, *sounds) if isinstance(item, VideoPacket | AudioPacket)]
    yield from headers
    yield from sorted(packets, key=lambda item: item.pts_ms)


def _pictures(draw: Draw, *, bps: int, key_s: float, key_at_s: float) -> list[SourceItem]:
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 1000), Fraction(FPS)
    context.flags |= Flags.global_header
    context.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "b": str(bps),
        "maxrate": str(bps),
        "bufsize": str(bps),
        "g": "1000",
        "forced-idr": "1",
    }
    context.bit_rate = bps
    context.open()
    items: list[SourceItem] = [VideoConfig("h264", avc_record(context.extradata or b""))]
    next_key_s = 0.0
    for number in range(int(LASTS_S * FPS)):
        at_s = number / FPS
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        luma, *chroma = frame.planes
        luma.update(_padded(draw(at_s), luma.line_size))
        for plane in chroma:
            plane.update(b"\x80" * plane.buffer_size)
        frame.pts, frame.time_base = round(at_s * 1000), Fraction(1, 1000)
        is_key = at_s >= next_key_s
        if is_key:
            next_key_s = key_at_s + key_s * (1 + (at_s - key_at_s) // key_s)
        frame.pict_type = PictureType.I if is_key else PictureType.NONE
        items += [_picture(packet) for packet in context.encode(frame)]
    return items + [_picture(packet) for packet in context.encode(None)]


def _picture(packet: av.Packet[VideoCodecContext]) -> VideoPacket:  # type: ignore[type-var]  # the stubs name streams
    assert packet.pts is not None
    return VideoPacket(packet.pts, packet.pts, length_prefixed(bytes(packet)), packet.is_keyframe)


def _padded(picture: bytes, line_size: int) -> bytes:
    if line_size == WIDTH:
        return picture
    rows = (picture[y * WIDTH : (y + 1) * WIDTH] for y in range(HEIGHT))
    return b"".join(row.ljust(line_size, b"\0") for row in rows)


def _sounds(sound: Sound) -> list[SourceItem]:
    context = av.CodecContext.create("aac", "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout, context.format = RATE, "mono", "fltp"
    context.bit_rate, context.time_base = 64_000, Fraction(1, RATE)
    context.flags |= Flags.global_header
    context.open()
    items: list[SourceItem] = [AudioConfig("aac", context.extradata or b"", RATE, 1)]
    dice = random.Random(7)
    hiss = [dice.uniform(-1, 1) for _ in range(BLOCK)]
    blocks: dict[float, bytes] = {}
    for number in range(int(LASTS_S * RATE / BLOCK)):
        level = sound(number * BLOCK / RATE)
        if level not in blocks:
            blocks[level] = array.array("f", [value * level for value in hiss]).tobytes()
        frame = av.AudioFrame("fltp", "mono", BLOCK)
        frame.planes[0].update(blocks[level])
        frame.sample_rate, frame.pts, frame.time_base = RATE, number * BLOCK, Fraction(1, RATE)
        coded = [packet for packet in context.encode(frame) if packet.pts is not None and packet.pts >= 0]
        items += [AudioPacket(round((packet.pts or 0) * 1000 / RATE), bytes(packet)) for packet in coded]
    return items

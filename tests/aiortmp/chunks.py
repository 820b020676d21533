"""A chunk writer that is free where the specification leaves a choice, to test the reader against.

Shares no code with the library: header forms, interleaving and extended timestamps are written
here from RTMP specification 5.3.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st


@dataclass(frozen=True)
class Sent:
    """One message as somebody sends it."""

    type: int
    timestamp: int
    stream_id: int
    csid: int
    payload: bytes
    form: int = 0
    """Wanted header form; the writer falls back to a lower one where this is not possible."""


@dataclass
class Context:
    timestamp: int = 0
    stamp: int = 0
    length: int = 0
    type: int = 0
    stream_id: int = 0


@dataclass
class ChunkWriter:
    """Writes messages as chunks; remembers what headers may refer to."""

    chunk_size: int = 128
    repeat_extended: bool = True
    contexts: dict[int, Context] = field(default_factory=dict)

    def chunks(self, sent: Sent) -> list[bytes]:
        """The chunks of one message, the first with as short a header as wanted and possible."""
        form, stamp = self._form(sent)
        length = len(sent.payload)
        header = basic(form, sent.csid)
        if form < 3:
            header += min(stamp, 0xFFFFFF).to_bytes(3, "big")
        if form < 2:
            header += length.to_bytes(3, "big") + bytes((sent.type,))
        if form < 1:
            header += sent.stream_id.to_bytes(4, "little")
        extension = stamp.to_bytes(4, "big") if stamp >= 0xFFFFFF else b""
        header += extension
        self.contexts[sent.csid] = Context(sent.timestamp, stamp, length, sent.type, sent.stream_id)
        again = basic(3, sent.csid) + (extension if self.repeat_extended else b"")
        pieces = [sent.payload[at : at + self.chunk_size] for at in range(0, length, self.chunk_size)] or [b""]
        return [header + pieces[0], *(again + piece for piece in pieces[1:])]

    def message(self, sent: Sent) -> bytes:
        return b"".join(self.chunks(sent))

    def set_chunk_size(self, size: int) -> bytes:
        wire = self.message(Sent(1, 0, 0, 2, size.to_bytes(4, "big")))
        self.chunk_size = size
        return wire

    def _form(self, sent: Sent) -> tuple[int, int]:
        known = self.contexts.get(sent.csid)
        delta = sent.timestamp - known.timestamp if known else -1
        if known is None or delta < 0 or known.stream_id != sent.stream_id:
            return 0, sent.timestamp
        same = known.length == len(sent.payload) and known.type == sent.type
        possible = 3 if same and delta == known.stamp else 2 if same else 1
        form = min(sent.form, possible)
        return form, sent.timestamp if form == 0 else delta


def basic(form: int, csid: int) -> bytes:
    if csid < 64:
        return bytes((form << 6 | csid,))
    if csid < 320:
        return bytes((form << 6, csid - 64))
    return bytes((form << 6 | 1, (csid - 64) % 256, (csid - 64) // 256))


def interleave(lanes: list[list[bytes]], order: list[int]) -> bytes:
    """The chunks of several messages, taken from the lane that ``order`` names while it has any."""
    left = [list(lane) for lane in lanes]
    out: list[bytes] = []
    for choice in order:
        lane = left[choice % len(left)]
        if lane:
            out.append(lane.pop(0))
    out.extend(chunk for lane in left for chunk in lane)
    return b"".join(out)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The same bytes in pieces."""
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    starts = [0, *ends[:-1]]
    return [data[start:end] for start, end in zip(starts, ends, strict=True)]


def payloads(most: int = 3000) -> st.SearchStrategy[bytes]:
    """Bodies of a size around chunk borders; the content is cheap but tells positions apart."""
    sizes = st.integers(0, most) | st.sampled_from([127, 128, 129, 255, 256, 257, 1024, 2048])
    return st.builds(
        lambda size, seed: bytes((seed + at * 7) % 251 for at in range(size)), sizes, st.integers(0, 250)
    )


def sequences(streams: tuple[int, ...] = (1,), most: int = 12) -> st.SearchStrategy[list[Sent]]:
    """Messages of publishers: media with rising and falling times, on several chunk streams."""
    one = st.builds(
        Sent,
        type=st.sampled_from([8, 9, 9, 18]),
        timestamp=st.integers(0, 2**32 - 1) | st.integers(0, 200) | st.integers(0xFFFFF0, 0x100000F),
        stream_id=st.sampled_from(streams),
        csid=st.sampled_from([3, 4, 5, 6, 63, 64, 319, 320, 65599]),
        payload=payloads(),
        form=st.integers(0, 3),
    )
    return st.lists(one, min_size=1, max_size=most)


def steady(most: int = 40) -> st.SearchStrategy[list[Sent]]:
    """What an encoder sends: audio on one chunk stream, video on another, time going on."""

    def build(steps: list[tuple[bool, int, bytes, int]]) -> list[Sent]:
        now = 0
        out = []
        for is_video, step, body, form in steps:
            now += step
            out.append(Sent(9 if is_video else 8, now, 1, 6 if is_video else 4, body or b"\x17", form))
        return out

    step = st.tuples(st.booleans(), st.integers(0, 60), payloads(), st.sampled_from([0, 1, 1, 1, 1, 2, 3]))
    return st.lists(step, min_size=2, max_size=most).map(build)

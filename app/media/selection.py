"""Parts of an arrival, and arrivals of headers alone: for the reads around a change, not for every packet. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from aiortmp import MediaBatch, MediaMessage
from app.media.arrival import Arrival
from app.media.timeline import VIDEO


def is_key(arrival: Arrival, index: int) -> bool:
    """Whether message `index`, a frame of the picture, is a key frame."""
    head = arrival.batch[index].peek(2)
    return bool(head) and head[0] >> 4 & 7 == 1


def select(arrival: Arrival, keep: Sequence[int]) -> Arrival:
    """The messages `keep`, in order, as an arrival of their own."""
    if len(keep) == len(arrival.positions):
        return arrival
    place = {old: new for new, old in enumerate(keep)}
    apart = {*arrival.headers, *arrival.others}
    video = [index for index in keep if index not in apart and arrival.batch[index].type == VIDEO]
    key = next((place[index] for index in video if is_key(arrival, index)), None)
    batch = MediaBatch.of([arrival.batch[index] for index in keep])
    return Arrival(
        batch,
        [arrival.positions[index] for index in keep],
        [place[index] for index in arrival.headers if index in place],
        [place[index] for index in arrival.others if index in place],
        key,
        len(video),
        len([index for index in keep if index not in apart]) - len(video),
        batch.size_bytes,
    )


def select_or_none(arrival: Arrival, keep: Sequence[int]) -> Arrival | None:
    """`select`; None where nothing is kept."""
    return select(arrival, keep) if keep else None


def frame_positions(arrival: Arrival) -> Sequence[int]:
    """Positions of the frames, without those of headers and of other messages."""
    if not arrival.headers and not arrival.others:
        return arrival.positions
    apart = {*arrival.headers, *arrival.others}
    return [position for index, position in enumerate(arrival.positions) if index not in apart]


def header_arrival(messages: Sequence[MediaMessage]) -> Arrival:
    """An arrival of codec headers or data alone."""
    return Arrival(MediaBatch.of(messages), [0] * len(messages), range(len(messages)), (), None, 0, 0, 0)

"""Brings a frame to the size of a rendition, without distortion: what does not fit gets black borders.

Leaves to others: frame rate (`grid`), encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from av.filter.graph import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from app.media.encoding.decoder import MILLISECONDS

PIXEL_FORMAT: Final = "yuv420p"
_TOLERANCE: Final = Fraction(1, 100)


@dataclass(frozen=True, slots=True)
class Fit:
    """Size of the picture inside the rendition, in whole chroma samples."""

    width: int
    height: int


def fit(width: int, height: int, aspect: Fraction, into_width: int, into_height: int) -> Fit:
    """Largest size inside `into_...` that keeps the shape of a `width` by `height` picture.

    `aspect` is the shape of one sample. Differences below 1 % are filled: borders of two lines help nobody.
    """
    shape = Fraction(width, height) * aspect
    target = Fraction(into_width, into_height)
    if abs(shape / target - 1) <= _TOLERANCE:
        return Fit(into_width, into_height)
    if shape > target:
        return Fit(into_width, min(into_height, max(2, round(into_width / shape / 2) * 2)))
    return Fit(min(into_width, max(2, round(into_height * shape / 2) * 2)), into_height)


class Scaler:
    """Scales every frame to one size; follows the source when its size or format changes."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._reformatter = VideoReformatter()
        self._borders: Graph | None = None
        self._bordered: Fit | None = None
        self._copier = Copier()

    def scale(self, frame: VideoFrame, aspect: Fraction) -> VideoFrame:
        """A frame of this size with the same timestamp; `frame` itself when nothing is to be done."""
        inside = fit(frame.width, frame.height, aspect, self.width, self.height)
        scaled = self._reformat(frame, inside)
        if inside == Fit(self.width, self.height):
            return scaled
        return self._with_borders(scaled, inside)

    def _reformat(self, frame: VideoFrame, inside: Fit) -> VideoFrame:
        full_range = frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG
        return self._reformatter.reformat(
            frame,
            width=inside.width,
            height=inside.height,
            format=PIXEL_FORMAT,
            interpolation=Interpolation.BICUBIC,
            src_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )

    def own_handle(self, frame: VideoFrame) -> VideoFrame:
        """The same picture under a handle of its own: two encoders mark their key frames on the handle."""
        return self._copier.copy(frame)

    def _with_borders(self, frame: VideoFrame, inside: Fit) -> VideoFrame:
        if self._borders is None or self._bordered != inside:
            pad = f"{self.width}:{self.height}:-1:-1:black"
            self._borders, self._bordered = _graph(inside.width, inside.height, "pad", pad), inside
        return _through(self._borders, frame)


class Copier:
    """Makes another handle of a picture, with a timestamp of its own; the pixels stay where they are."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._form: tuple[int, int, str] | None = None

    def copy(self, frame: VideoFrame) -> VideoFrame:
        form = (frame.width, frame.height, frame.format.name)
        if self._graph is None or self._form != form:
            self._graph, self._form = _graph(frame.width, frame.height, "null", pixels=frame.format.name), form
        return _through(self._graph, frame)


def _graph(width: int, height: int, name: str, args: str | None = None, *, pixels: str = PIXEL_FORMAT) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(width=width, height=height, format=VideoFormat(pixels), time_base=MILLISECONDS)
    work = graph.add(name, args)
    sink = graph.add("buffersink")
    source.link_to(work)
    work.link_to(sink)
    graph.configure()
    return graph


def _through(graph: Graph, frame: VideoFrame) -> VideoFrame:
    graph.push(frame)
    out = graph.pull()
    assert isinstance(out, VideoFrame)
    return out

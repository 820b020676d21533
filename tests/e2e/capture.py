"""An outside viewer: follows a stream's HLS playlists, keeps every segment, and decodes what it got."""

from __future__ import annotations

import io
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from urllib.parse import urljoin

import av

POLL_S = 0.3


@dataclass
class Track:
    url: str
    init: bytes = b""
    init_uri: str = ""
    segments: dict[int, bytes] = field(default_factory=dict)
    inits: dict[str, bytes] = field(default_factory=dict)
    init_of: dict[int, str] = field(default_factory=dict)
    durations_s: dict[int, float] = field(default_factory=dict)
    discontinuities: int = 0
    ended: bool = False

    def data(self) -> bytes:
        return self.init + b"".join(self.segments[number] for number in sorted(self.segments))

    def parts(self) -> list[bytes]:
        """What can be decoded in one go: all segments behind one init segment."""
        runs = groupby(sorted(self.segments), key=self.init_of.__getitem__)
        return [self.inits[init] + b"".join([self.segments[number] for number in run]) for init, run in runs]


class HlsCapture:
    """Polls in a thread from `start()` to `stop()`. `tracks` is keyed by the rendition's name, and `audio`."""

    def __init__(self, index_url: str) -> None:
        self.index_url = index_url
        self.multivariant = ""
        self.tracks: dict[str, Track] = {}
        self.errors: list[str] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> HlsCapture:
        self._thread.start()
        return self

    def stop(self) -> None:
        """One last look, then no more."""
        self._stopped.set()
        self._thread.join(timeout=30)
        self._poll()

    def segments_of_every_track(self) -> int:
        """The number of segments of the track that has the fewest; 0 before there is any."""
        return min((len(track.segments) for track in self.tracks.values()), default=0)

    def ended(self) -> bool:
        return bool(self.tracks) and all(track.ended for track in self.tracks.values())

    def _run(self) -> None:
        while not self._stopped.wait(POLL_S):
            self._poll()

    def _poll(self) -> None:
        try:
            self.multivariant = _get(self.index_url).decode()
            for uri in _media_uris(self.multivariant):
                url = urljoin(self.index_url, uri)
                name = url.rsplit("/", 2)[-2]
                self.tracks.setdefault(name, Track(url))
            # A player stays with its playlist, listed or not.
            for track in self.tracks.values():
                self._follow(track)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                self.errors.append(f"{error.url}: {error.code}")
        except OSError as error:
            self.errors.append(str(error))

    def _follow(self, track: Track) -> None:
        playlist = _get(track.url).decode()
        number = int(_tag(playlist, "EXT-X-MEDIA-SEQUENCE") or 0)
        track.discontinuities = max(track.discontinuities, playlist.count("#EXT-X-DISCONTINUITY\n"))
        track.ended = "#EXT-X-ENDLIST" in playlist
        found = re.search(r'#EXT-X-MAP:URI="([^"]+)"', playlist)
        if found and not track.init:
            track.init_uri = found.group(1)
            track.init = _get(urljoin(track.url, track.init_uri))
        duration, init, is_gap = 0.0, "", False
        for line in playlist.splitlines():
            if line.startswith("#EXT-X-MAP:"):
                init = line.split('"')[1]
                if init not in track.inits:
                    track.inits[init] = _get(urljoin(track.url, init))
            elif line.startswith("#EXTINF:"):
                duration = float(line[8:].split(",")[0])
            elif line == "#EXT-X-GAP":
                is_gap = True
            elif line and not line.startswith("#"):
                if number not in track.segments and not is_gap:
                    track.segments[number] = _get(urljoin(track.url, line))
                    track.durations_s[number] = duration
                    track.init_of[number] = init
                number, is_gap = number + 1, False


@dataclass(frozen=True)
class Picture:
    time_s: float
    frame: av.VideoFrame


def pictures(track: Track) -> list[Picture]:
    """Every decoded frame in order, with its time on the stream's timeline."""
    return list(each_picture(track))


def each_picture(track: Track) -> Iterator[Picture]:
    """The same one by one, for a capture whose pictures do not fit into memory."""
    for part in track.parts():
        with av.open(io.BytesIO(part)) as container:
            for frame in container.decode(video=0):
                if frame.pts is not None and frame.time_base is not None:
                    yield Picture(float(frame.pts * frame.time_base), frame)


def packet_times_s(track: Track) -> list[float]:
    """Start of every coded packet of the first stream, in order of presentation."""
    with av.open(io.BytesIO(track.data())) as container:
        stream = container.streams[0]
        return sorted(
            float(packet.pts * packet.time_base)
            for packet in container.demux(stream)
            if packet.pts is not None and packet.time_base is not None
        )


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


def _tag(playlist: str, name: str) -> str | None:
    found = re.search(rf"^#{name}:(.*)$", playlist, re.MULTILINE)
    return found.group(1) if found else None


def _media_uris(multivariant: str) -> list[str]:
    uris = re.findall(r'^#EXT-X-MEDIA:.*URI="([^"]+)"', multivariant, re.MULTILINE)
    uris += [line for line in multivariant.splitlines() if line and not line.startswith("#")]
    return list(dict.fromkeys(uris))

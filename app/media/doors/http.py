"""The HTTP door: HLS, HTTP-FLV, health and metrics. Read-only and without secrets: a playback id is all one needs.

Segments come out of memory as they are. Answers carry CORS headers, because players run on other people's pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from aiohttp import web

from app.domain.ladder import AUDIO_TRACK
from app.media.doors.http_flv import FlvBytes, serve_flv
from app.media.gateway import Gateway
from app.media.hls.packager import Packager

M3U8: Final = "application/vnd.apple.mpegurl"
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Range",
    "Access-Control-Expose-Headers": "Content-Length, Date",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
_FRESH: Final = {"Cache-Control": "no-cache"}
_KEPT: Final = {"Cache-Control": "public, max-age=60, immutable"}
_HLS: Final = re.compile(r"/hls/([A-Za-z0-9_-]{1,128})/(?:([A-Za-z0-9_-]{1,32})/)?([A-Za-z0-9_.-]{1,64})")
_FLV: Final = re.compile(r"/flv/([A-Za-z0-9_-]{1,160})\.flv")
_SEGMENT: Final = re.compile(r"([0-9]{1,15})\.m4s")
_INIT: Final = re.compile(r"init-([0-9]{1,15})\.mp4")


class HttpDoor:
    """`is_ready` says whether the gateway takes streams; `metrics` gives the Prometheus text."""

    def __init__(
        self, gateway: Gateway, *, is_ready: Callable[[], bool], metrics: Callable[[], tuple[bytes, str]]
    ) -> None:
        self._gateway = gateway
        self._is_ready = is_ready
        self._metrics = metrics
        self._flv_bytes = FlvBytes()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Every request of the listener."""
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=_CORS)
        if request.method not in ("GET", "HEAD"):
            return _answer(405, "only GET, HEAD and OPTIONS")
        path = request.path
        if found := _HLS.fullmatch(path):
            return self._hls(*found.groups())
        if found := _FLV.fullmatch(path):
            return await self._flv(request, found[1])
        if path == "/livez":
            return _answer(200, "ok")
        if path == "/readyz":
            return _answer(200, "ok") if self._is_ready() else _answer(503, "not connected to control yet")
        if path == "/metrics":
            body, kind = self._metrics()
            return web.Response(body=body, headers={"Content-Type": kind, **_FRESH})
        return _answer(404, "not found")

    def _hls(self, playback_id: str, track: str | None, name: str) -> web.Response:
        channel = self._gateway.by_playback(playback_id)
        if channel is None or not channel.plan.outputs.hls:
            return _answer(404, "no such stream")
        packager = channel.programme.packager
        if packager is None:
            return _playlist(None)
        if track is None:
            if name != "index.m3u8":
                return _answer(404, "not found")
            index = packager.index() if packager.is_ready else None
            if index is None and packager.refused is not None:
                return _answer(404, f"this stream cannot be played over HLS: {packager.refused}")
            return _playlist(index)
        return _track_file(packager, track, name)

    async def _flv(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        found = self._gateway.by_play_name(name)
        if found is None or not found[0].plan.outputs.http_flv or found[0].ended:
            return _answer(404, "no such stream")
        channel, rendition = found
        mux = channel.programme.muxes.get(rendition)
        if mux is None:
            return _answer(404, "no such stream")
        return await serve_flv(request, mux, shared=self._flv_bytes, headers={**_CORS, **_FRESH})


def _track_file(packager: Packager, track: str, name: str) -> web.Response:
    shelf = packager.shelves().get(track)
    if shelf is None:
        return _answer(404, "no such track")
    if name == "index.m3u8":
        return _playlist(shelf.text() if shelf.segments else None)
    data: bytes | None = None
    if found := _SEGMENT.fullmatch(name):
        data = shelf.segment(int(found[1]))
    elif found := _INIT.fullmatch(name):
        data = shelf.init(int(found[1]))
    if data is None:
        return _answer(404, "no such segment")
    kind = "audio/mp4" if track == AUDIO_TRACK else "video/mp4"
    return web.Response(body=data, content_type=kind, headers={**_CORS, **_KEPT})


def _playlist(text: str | None) -> web.Response:
    if text is None:
        return _answer(404, "nothing to play yet", {"Retry-After": "1"})
    return web.Response(body=text.encode(), content_type=M3U8, headers={**_CORS, **_FRESH})


def _answer(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers={**_CORS, **_FRESH, **(headers or {})})

"""A publisher and a player made of the FFmpeg that PyAV carries, which speaks enhanced RTMP.

A process of its own: PyAV holds the interpreter while it waits for the network.
``publish URL ENCODER FRAMES [key=value...]`` or ``play URL``, which prints codec and packets.
"""

from __future__ import annotations

import sys

import av
import av.logging


def publish(address: str, encoder: str, frames: int, options: dict[str, str]) -> None:
    container = av.open(address, "w", format="flv")
    stream = container.add_stream(encoder, rate=25, options=options)
    stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
    for at in range(frames):
        frame = av.VideoFrame(320, 180, "yuv420p")
        frame.pts = at
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
    container.close()


def play(address: str) -> None:
    with av.open(address, format="flv") as container:
        video = container.streams.video[0]
        count = sum(1 for packet in container.demux(video) if packet.size)
        print(video.codec_context.name, count)


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    if sys.argv[1] == "publish":
        pairs = [argument.split("=", 1) for argument in sys.argv[5:]]
        publish(sys.argv[2], sys.argv[3], int(sys.argv[4]), dict(pairs))
    else:
        play(sys.argv[2])

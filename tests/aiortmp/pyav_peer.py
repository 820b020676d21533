"""A publisher and a player made of the FFmpeg that PyAV carries, which speaks enhanced RTMP.

A process of its own: PyAV holds the interpreter while it waits for the network.
``publish URL ENCODER[,ENCODER...] FRAMES [key=value...]``, several video encoders being several
tracks, or ``play URL``, which prints codec and packets.
"""

from __future__ import annotations

import sys

import av
import av.logging
import av.stream

SILENCE = {"libopus": (48000, 960), "aac": (44100, 1024)}


def publish(address: str, encoders: list[str], frames: int, options: dict[str, str]) -> None:
    container = av.open(address, "w", format="flv")
    streams = []
    for encoder in encoders:
        if encoder in SILENCE:
            streams.append(container.add_stream(encoder, rate=SILENCE[encoder][0], layout="stereo"))
        else:
            stream = container.add_stream(encoder, rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
            streams.append(stream)
    for at in range(frames):
        for stream in streams:
            container.mux(stream.encode(frame(stream, at)))
    for stream in streams:
        container.mux(stream.encode(None))
    container.close()


def frame(stream: av.stream.Stream, at: int) -> av.VideoFrame | av.AudioFrame:
    if stream.type == "video":
        picture = av.VideoFrame(320, 180, "yuv420p")
        picture.pts = at
        return picture
    rate, samples = SILENCE[stream.codec_context.name]
    sound = av.AudioFrame(format=stream.codec_context.format.name, layout="stereo", samples=samples)
    for plane in sound.planes:
        plane.update(bytes(plane.buffer_size))
    sound.sample_rate = rate
    sound.pts = at * samples
    return sound


def play(address: str) -> None:
    with av.open(address, format="flv") as container:
        video = container.streams.video[0]
        count = sum(1 for packet in container.demux(video) if packet.size)
        print(video.codec_context.name, count)


if __name__ == "__main__":
    av.logging.set_level(av.logging.PANIC)
    if sys.argv[1] == "publish":
        pairs = [argument.split("=", 1) for argument in sys.argv[5:]]
        publish(sys.argv[2], sys.argv[3].split(","), int(sys.argv[4]), dict(pairs))
    else:
        play(sys.argv[2])

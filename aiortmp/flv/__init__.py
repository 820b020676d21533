"""Media payloads of RTMP, which are FLV tag bodies: classic, and Enhanced RTMP v1 and v2.

`parse_video` and `parse_audio` say what a payload is and where its data lies; ``build_*`` make
payloads; ``*_is_*`` look at two bytes only (`MediaMessage.peek`); `tag`, `file_header` and
`FlvReader` are for FLV files and HTTP-FLV.
"""

from aiortmp.flv.audio import audio_is_sequence_header, build_audio, parse_audio
from aiortmp.flv.file import FlvReader, file_header, tag, tags
from aiortmp.flv.kinds import AudioCodec, AudioPacket, FrameType, Multitrack, VideoCodec, VideoPacket
from aiortmp.flv.tags import AudioTag, VideoTag
from aiortmp.flv.video import build_video, parse_video, video_is_keyframe, video_is_sequence_header

__all__ = [
    "AudioCodec",
    "AudioPacket",
    "AudioTag",
    "FlvReader",
    "FrameType",
    "Multitrack",
    "VideoCodec",
    "VideoPacket",
    "VideoTag",
    "audio_is_sequence_header",
    "build_audio",
    "build_video",
    "file_header",
    "parse_audio",
    "parse_video",
    "tag",
    "tags",
    "video_is_keyframe",
    "video_is_sequence_header",
]

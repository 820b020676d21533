"""Names of things. An id says what it names by its prefix; only a playback id is a secret of its own."""

from typing import NewType

StreamId = NewType("StreamId", str)
"""`str_` and 26 characters of Crockford base 32."""
PlaybackId = NewType("PlaybackId", str)
"""`play_` and 26 characters: who knows it may watch; it never opens publishing."""
EncoderId = NewType("EncoderId", str)
"""`enc_...`, or the name an operator gave in the settings."""
NodeId = NewType("NodeId", str)
"""The machine (or GPU) an encoder runs on; software encoders share it with their node."""
HostId = NewType("HostId", str)
"""One per machine: two encoders of one host die together."""
GatewayId = NewType("GatewayId", str)
WorkerId = NewType("WorkerId", str)
"""`wrk_...`: one child process for one stream and generation."""
KeyId = NewType("KeyId", str)
"""`key_...`: names an API key without being one."""
DestinationId = NewType("DestinationId", str)
"""`dst_...`: one place a programme is pushed to."""

"""The chunk stream: bytes to messages and back (RTMP specification, section 5.3)."""

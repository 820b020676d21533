"""Bounds on what a peer may make us do. Each is enforced where its name is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Every bound of one connection, with defaults fit for the open internet."""

    handshake_s: float = 5.0
    """Time from the first connection until the handshake is complete."""
    setup_s: float = 10.0
    """Time from the end of the handshake until something is published or played."""
    idle_s: float = 30.0
    """Silence of the peer after which the connection is given up; half of it draws a ping."""
    linger_s: float = 2.0
    """Time a refused peer has to read the refusal before the connection is cut."""
    close_s: float = 10.0
    """Time for buffered bytes to go out after closing; then the connection is cut."""

    max_setup_bytes: int = 256 * 1024
    """Bytes taken from a client before anything is published or played, give or take one read."""
    max_media_bytes: int = 8 * 1024 * 1024
    """Longest audio, video or aggregate message."""
    max_command_bytes: int = 64 * 1024
    """Longest command, data or control message."""
    max_partial_bytes: int = 16 * 1024 * 1024
    """All unfinished messages of a connection together."""
    min_chunk_bytes: int = 128
    """Smallest inbound chunk size; below it headers cost more than payload."""
    max_chunk_bytes: int = 64 * 1024
    """Largest inbound chunk size."""
    max_chunk_streams: int = 64
    """Chunk streams a peer may use at once."""
    max_tiny_messages: int = 1024
    """Messages of 4 bytes and less in one read: each costs as much time as a long one."""
    max_streams: int = 32
    """Message streams (createStream) open at once."""
    max_refusals: int = 16
    """Commands refused on one connection before it is closed."""
    max_early_commands: int = 16
    """Commands held while it is decided whether a client is let in; more are refused."""
    max_send_buffer_bytes: int = 64 * 1024 * 1024
    """Bytes waiting for a peer that does not read; beyond it the connection is cut."""

    max_amf_depth: int = 8
    """Nesting of objects and arrays."""
    max_amf_elements: int = 256
    """Values in one AMF body, at all levels together."""
    max_amf_string_bytes: int = 64 * 1024
    """Longest string in UTF-8."""

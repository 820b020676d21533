"""Sessions: bytes in, events and bytes out. No sockets, no clock."""

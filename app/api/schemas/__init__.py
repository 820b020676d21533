"""What clients send and get, as models of their own: a new field of a noun is never told by accident."""

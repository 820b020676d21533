"""FLV tags."""

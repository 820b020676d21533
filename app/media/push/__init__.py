"""Pushes of the programme to other people's RTMP servers, each on its own."""

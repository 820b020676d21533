"""Decode, scale, encode: the node, its worker children and the pipeline that runs in them."""

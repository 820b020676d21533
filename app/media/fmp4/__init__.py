"""A small writer of fragmented MP4 (CMAF): codec descriptions, init segments, fragments. Pure; no libav."""

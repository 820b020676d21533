"""RTMP servers against each other: CPU seconds per gigabyte, in one run on one machine."""

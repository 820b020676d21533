"""The version of this build, read by packaging and shown by every process."""

__version__ = "0.1.0"

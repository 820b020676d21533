"""Encoder Manager: places live streams on a fleet of encoders and keeps them running."""

"""Failovers under a viewer: how long the picture stands, and what is lost."""

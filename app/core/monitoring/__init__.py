"""Encoders and streams watched from within another application."""

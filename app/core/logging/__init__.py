"""The system's logs within another application."""

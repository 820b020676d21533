"""Encoders of every kind behind one driver port."""

"""Openings to the outside, as protocols. Adapters fill them; assembly chooses which."""

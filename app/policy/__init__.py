"""Verdicts: pure rules. Data and `now` go in; a verdict with its reason comes out. No I/O, no clock."""

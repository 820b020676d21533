"""Devices that are not there: what speaks like them, with their faults, for tests and for trying things out."""

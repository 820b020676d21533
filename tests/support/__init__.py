"""Shared parts of tests: real servers and programs, started privately and ended for sure."""

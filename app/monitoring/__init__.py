"""Watches the fleet and turns readings into pictures, facts and metrics."""

"""A whole fleet in virtual time: the real control services and gateway over a simulated network."""

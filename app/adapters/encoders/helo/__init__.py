"""The AJA HELO's own words: what goes over its wire, what its parameters are called, what their numbers mean.

From AJA's REST documentation and the descriptor lists of two units with firmware 4.3; what no document says is
read so that either answer is right.
"""

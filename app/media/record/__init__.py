"""Recording of the programme: one logical recording per stream, in parts that survive a crash."""

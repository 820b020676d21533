"""An AJA HELO without the box: its web interface, its engine, its heat and its faults, and a real RTMP picture."""

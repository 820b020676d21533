"""Where packets live: source channel, replay ring, output switch, outputs, encoder node and worker."""

"""One file per process: reads settings, builds the parts by constructor, runs them."""

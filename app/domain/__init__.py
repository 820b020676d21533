"""The nouns: streams, encoders, plans, facts. Data only; nothing here decides or does I/O."""

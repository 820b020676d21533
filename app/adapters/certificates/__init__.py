"""Certificates: read and put into chains, looked at where they are served, ordered, kept, put to use."""

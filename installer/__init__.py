"""One-shot installer: virtual environment, packages, secrets, settings."""

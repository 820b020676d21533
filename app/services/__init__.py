"""Deeds of the control plane: carry verdicts out through ports. No rule lives here."""

"""What the messages mean: control, commands, and media that comes in another wrapping."""

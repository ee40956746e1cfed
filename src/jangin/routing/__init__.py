"""Which specialist a message is for, whether its answer may be given here, and whether that promise still holds."""

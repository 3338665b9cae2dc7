"""From words to a checked config: no torch."""

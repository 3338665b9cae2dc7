"""Text, as one long row of tokens."""

"""Networks by name. This file stays empty: the names are read without torch."""

"""Look at a network and at a run."""

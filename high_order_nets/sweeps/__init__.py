"""Many runs: no torch."""

"""The parts of benchmarks/layers.py."""

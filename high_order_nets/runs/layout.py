"""Every file name of a run's folder."""

METRICS = "metrics.json"


CONFIG = "config.yaml"


LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
"""The checkpoints of a run, in checkpoints/."""


SWEEP = "sweep.json"
"""In a sweep's folder: the config of each of its jobs, in the order of their numbers."""

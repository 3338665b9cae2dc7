"""Change a network that is there."""

from .convert import convert
from .refine import coarsen, refine
from .report import Report

__all__ = ["Report", "coarsen", "convert", "refine"]

"""Bases: one number in, G numbers out. Pure maths, imports torch only."""

from .base import Basis
from .crelu import CReLU
from .fourier import Fourier
from .line import Line
from .piecewise import ContinuousPiecewise, DiscontinuousPiecewise, Piecewise
from .polynomial import Polynomial

__all__ = [
    "Basis",
    "CReLU",
    "ContinuousPiecewise",
    "DiscontinuousPiecewise",
    "Fourier",
    "Line",
    "Piecewise",
    "Polynomial",
]

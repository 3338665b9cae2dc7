"""The pictures of a run, one a file; imported only when something is drawn, for matplotlib takes its time."""

from .curves import draw_curves
from .ranges import draw_ranges
from .style import pixels, published, save
from .synapses import draw_synapses

__all__ = ["draw_curves", "draw_ranges", "draw_synapses", "pixels", "published", "save"]

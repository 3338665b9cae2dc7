"""How a layer's output is computed: the seam for native code."""

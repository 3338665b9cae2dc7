"""Fit 0.5 for x y > 0, else -0.5, by a network [2, 2, 1]: discontinuous functions do it exactly, max error 4e-16.

-m compares the layer types; without hidden neurons there is only f(x) + g(y), which cannot be it.
"""

import sys

from high_order_nets import cli

COMPARISON = (
    "layer_type=discontinuous,continuous,polynomial,fourier n=2,4",
    "layer_type=standard model_name.hidden_width=2,8",
    "layer_type=discontinuous n=2 model_name.hidden_layers=0",
)

if __name__ == "__main__":
    sys.exit(cli.train(comparison=COMPARISON, experiment="xor"))

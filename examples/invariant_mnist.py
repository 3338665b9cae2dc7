"""Learn MNIST's digits, turned at random, by a fully connected network of continuous piecewise polynomials.

-m compares no refinement, p-refinement (n from 2 to 5), hp-refinement (segments from 1 to 2 too) and the ordinary
network. The names of the published script work too, mlp.n=2 mlp.target_n=5 mlp.p_refine=True.
"""

import sys

from high_order_nets import cli

COMPARISON = (
    "layer_type=continuous n=5 segments=2",
    "layer_type=continuous n=2 segments=2 refine.target_n=5",
    "layer_type=continuous n=2 segments=1 refine.target_n=5 refine.target_segments=2",
    "layer_type=standard",
)

if __name__ == "__main__":
    sys.exit(cli.train(comparison=COMPARISON, experiment="invariant_mnist"))

"""Fit 0.5 for x y > 0, else -0.5, by a network [2, 2, 1]: discontinuous functions do it exactly, max error 4e-16.

All layer types, in a table: -m layer_type=discontinuous,continuous,polynomial,standard
"""

import sys

from high_order_nets import cli

if __name__ == "__main__":
    sys.exit(cli.train(experiment="xor"))

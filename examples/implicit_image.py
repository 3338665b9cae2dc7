"""Fit a photograph as a function of (x, y): .

Beside it:
"""

import sys

from high_order_nets import cli

if __name__ == "__main__":
    sys.exit(cli.train(experiment="implicit_image"))

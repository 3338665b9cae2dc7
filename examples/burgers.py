"""Solve Burgers' equation, whose smooth start becomes a shock: l1_error 0.025, seed 1 (two to six minutes)."""

import sys

from high_order_nets import cli

if __name__ == "__main__":
    sys.exit(cli.train(experiment="burgers"))

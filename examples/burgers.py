"""Solve Burgers' equation, whose smooth start becomes a shock: ."""

import sys

from high_order_nets import cli

if __name__ == "__main__":
    sys.exit(cli.train(experiment="burgers"))

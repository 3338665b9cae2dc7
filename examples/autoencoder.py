"""Bring images to short codes and back, on the digits by default; every override of `train` works here too."""

import sys

from high_order_nets import cli

if __name__ == "__main__":
    sys.exit(cli.train(experiment="autoencoder"))

"""Train on MNIST: every override of `high-order-nets train` works here too (see --help)."""

import sys

from high_order_nets import cli

if __name__ == "__main__":
    sys.exit(cli.train(dataset="mnist"))

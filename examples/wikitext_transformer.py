"""Train a transformer on WikiText-2: every override of `high-order-nets train` works here too (see --help)."""

import sys

from high_order_nets import cli

if __name__ == "__main__":
    sys.exit(cli.train(dataset="wikitext2", experiment="wikitext2"))

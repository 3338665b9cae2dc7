"""Learn the distribution of images by normal codes, on the digits by default; every override of `train` works here too.

Tuned by: search=variational_autoencoder val_fraction=0.2
"""

import sys

from high_order_nets import cli

if __name__ == "__main__":
    sys.exit(cli.train(experiment="variational_autoencoder"))

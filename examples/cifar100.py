"""Train on CIFAR-100: every override of `high-order-nets train` works here too (see --help).

On a CPU: 39.4 % by experiment=cifar100_cpu layer_type=polynomial2d (six minutes), and 58.1 % by
experiment=cifar100_cpu_long layer_type=polynomial2d width=0.35 with one function a channel, sharing=channel
parameters=nodal init=mixed domain=linear scale=2 (half an hour); results/cifar100_cpu.md has all rows.
"""

import sys

from high_order_nets import cli

if __name__ == "__main__":
    sys.exit(cli.train(dataset="cifar100", model_name="resnet10"))

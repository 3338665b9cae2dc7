"""trainer=fsdp on the CPU, where it is refused: torch can do it there, and so it can be tried without a GPU."""

import sys

from high_order_nets import cli
from high_order_nets.training import run

if __name__ == "__main__":
    run.check_gpus = lambda _config: None
    sys.exit(cli.main(sys.argv[1:]))

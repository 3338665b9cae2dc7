"""Go on with a text: path=RUN text="A bit of text", and all else that `high-order-nets predict` takes."""

import sys

from high_order_nets import cli

if __name__ == "__main__":
    words = [f"ckpt={word.removeprefix('path=')}" if word.startswith("path=") else word for word in sys.argv[1:]]
    sys.exit(cli.main(["predict", *words]))

"""Fit one function of one variable, sin(π (x + 2)²), by a single layer of each type and size, and by a ReLU MLP."""

import sys

from high_order_nets import cli

COMPARISON = (
    "layer_type=polynomial,fourier n=8,16,32,64",
    "layer_type=continuous n=4 segments=3,5,10,21",
    "layer_type=discontinuous n=4 segments=2,4,8,16",
    "layer_type=standard model_name.hidden_layers=1 model_name.hidden_width=3,5,10,21",
)

if __name__ == "__main__":
    sys.exit(cli.train(["-m", *sys.argv[1:]], comparison=COMPARISON, experiment="function_example"))

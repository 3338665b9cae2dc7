"""ResNet-18 on CIFAR-100, ordinary and high-order, results/cifar100_gpu.md; for a GPU, in slots of ten minutes.

comparison.py says how it is run. A run of 200 epochs is five to six minutes of an H100; one that a slot cuts short is
gone on with by the next call. First `run 'sweep-*'`, on held-out images: rate and decay for both kinds alike; then
`run 'r18-*'`, on the test images, at what the sweep has chosen. RATE and DECAY below say what that is.
"""

import os
import sys
from itertools import product

from comparison import Comparison

PRESET = "experiment=cifar100_r18 plots.enabled=false"
SHARED = (
    "layer_type=polynomial2d n=3 sharing=channel parameters=nodal init=silu domain=linear scale=auto "
    "skip=[stem] pool_function=true"
)
RATE, DECAY = 0.2, 5e-4
"""The rate and the decay of the claim, to be set by the sweep."""
NETWORKS = {
    "relu": ("ReLU", "layer_type=standard"),
    "silu": ("SiLU", "layer_type=standard activation=silu"),
    "se": ("ReLU, squeeze-and-excitation", "layer_type=standard block=se"),
    "silu-se": ("SiLU, squeeze-and-excitation", "layer_type=standard activation=silu block=se"),
    "silu-gate": ("SiLU, gate", "layer_type=standard activation=silu block=gate"),
    "pi": ("ReLU, Π-term", "layer_type=standard block=pi"),
    "shared": ("shared functions", SHARED),
    "shared-gate": ("shared functions, gate", f"{SHARED} block=gate"),
    "early-gate": (
        "shared functions in two stages, gate",
        f"{SHARED} freeze=[layer3.*.shape,layer4.*.shape] block=gate",
    ),
}
SWEPT = ("silu", "early-gate")
SWEEP = {
    f"sweep-{name}-{rate}-{decay:.0e}": (
        f"{NETWORKS[name][0]}, rate {rate}, decay {decay:.0e}",
        f"{PRESET} dataset.split=dev max_epochs=60 {NETWORKS[name][1]} learning_rate={rate} weight_decay={decay}",
    )
    for rate, decay, name in product((0.1, 0.2, 0.4), (3e-4, 5e-4, 1e-3), SWEPT)
}
FINAL = {
    f"r18-{name}": (label, f"{PRESET} {words} learning_rate={RATE} weight_decay={DECAY}")
    for name, (label, words) in NETWORKS.items()
}
TABLES = {
    "Rate and decay, 60 epochs, one seed (held-out images)": SWEEP,
    "200 epochs, five seeds (test images)": FINAL,
}
CONTROLS = {"200 epochs, five seeds (test images)": {"− ReLU": "r18-relu", "− SiLU": "r18-silu", "− SE": "r18-se"}}
SLOT = 570.0
"""Seconds after which a call stops its run, which is gone on with by the next one."""

if __name__ == "__main__":
    os.environ.setdefault("SLOT", str(SLOT))
    seeds = dict.fromkeys(SWEEP, 1) | dict.fromkeys(FINAL, 5)
    os.environ.setdefault("ROUNDS", "5")
    Comparison("cifar100_gpu", TABLES, seeds, controls=CONTROLS).main(sys.argv[1:])

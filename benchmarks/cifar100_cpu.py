"""The CIFAR-100 comparison on a CPU, results/cifar100_cpu.md; comparison.py says how it is run."""

import sys

from comparison import Comparison

SHORT, LONG = "experiment=cifar100_cpu", "experiment=cifar100_cpu_long"
POLY = "layer_type=polynomial2d n=3"
LION = "optimizer=lion learning_rate=1e-3 weight_decay=0.1"
SEED = "norm=max_abs parameters=nodal init=constant_random optimizer=lion learning_rate=1e-4 weight_decay=0"
WIDE = "layer_type=standard width=0.35"

CONTROLS = {
    "relu": ("standard, ReLU", f"{SHORT} layer_type=standard"),
    "relu-wide": ("standard, ReLU, width × 1.4", f"{SHORT} {WIDE}"),
    "crelu": ("standard, CReLU", f"{SHORT} layer_type=crelu"),
    "tanh": ("standard, tanh", f"{SHORT} layer_type=standard activation=tanh"),
    "no-activation": ("standard, no activation", f"{SHORT} layer_type=standard activation=none"),
    "relu-lion": ("standard, ReLU, Lion", f"{SHORT} layer_type=standard {LION}"),
}
HIGH_ORDER = {
    "poly3": ("**polynomial n=3**", f"{SHORT} {POLY}"),
    "poly3-match": ("**polynomial n=3, width matched**", f"{SHORT} {POLY} rescale_planes=match"),
    "poly3-nodal": ("polynomial n=3, nodal parameters", f"{SHORT} {POLY} parameters=nodal"),
    "poly2": ("polynomial n=2", f"{SHORT} layer_type=polynomial2d n=2"),
    "poly5": ("polynomial n=5", f"{SHORT} layer_type=polynomial2d n=5"),
    "fourier3": ("Fourier n=3", f"{SHORT} layer_type=fourier2d n=3"),
    "continuous": ("continuous n=2, 2 segments", f"{SHORT} layer_type=continuous2d n=2 segments=2"),
    "discontinuous": ("discontinuous n=2, 2 segments", f"{SHORT} layer_type=discontinuous2d n=2 segments=2"),
}
CHOICES = {
    "poly3-linear": ("domain linear", f"{SHORT} {POLY} domain=linear"),
    "poly3-clamp": ("domain clamp", f"{SHORT} {POLY} domain=clamp"),
    "poly3-mirror": ("domain mirror", f"{SHORT} {POLY} domain=mirror"),
    "poly3-extrapolate": ("domain extrapolate", f"{SHORT} {POLY} domain=extrapolate"),
    "poly3-variance_preserving": (
        "init variance_preserving (independent, as Kaiming's)",
        f"{SHORT} {POLY} init=variance_preserving",
    ),
    "poly3-constant_random": ("init constant_random", f"{SHORT} {POLY} parameters=nodal init=constant_random"),
    "poly3-max_abs": ("norm max_abs", f"{SHORT} {POLY} norm=max_abs"),
    "poly3-lion": ("Lion", f"{SHORT} {POLY} {LION}"),
    "poly3-adam": ("Adam", f"{SHORT} {POLY} optimizer=adam learning_rate=2e-3 weight_decay=0"),
    "poly3-base": ("base silu", f"{SHORT} {POLY} base=silu"),
    "poly3-dropout": ("dropout 0.05 on every layer's input", f"{SHORT} {POLY} input_dropout=0.05"),
    "poly3-seed": ("the seed's choice: max_abs, constant_random, Lion", f"{SHORT} {POLY} {SEED}"),
}
CHANNEL = "sharing=channel functions.weight_decay=null"  # decayed as weights are, as all functions were then
SHARED = f"{POLY} {CHANNEL} parameters=nodal"
BEND = "init=mixed domain=linear scale=2"
SHARING = {
    "shared": ("**shared, polynomial n=3, init mixed, domain linear**", f"{SHORT} {SHARED} {BEND}"),
    "shared-relu": ("shared, init relu", f"{SHORT} {SHARED} init=relu domain=linear scale=2"),
    "shared-linear": ("shared, init linear", f"{SHORT} {SHARED} init=linear domain=linear scale=2"),
    "shared-spectral": ("shared, spectral parameters", f"{SHORT} {POLY} {CHANNEL} {BEND}"),
    "shared-tanh": ("shared, domain tanh, spectral", f"{SHORT} {POLY} {CHANNEL} init=mixed"),
    "shared-5": (
        "shared, polynomial n=5",
        f"{SHORT} layer_type=polynomial2d n=5 {CHANNEL} parameters=nodal {BEND}",
    ),
    "shared-continuous": (
        "shared, continuous n=2, 4 segments",
        f"{SHORT} layer_type=continuous2d n=2 segments=4 {CHANNEL} parameters=nodal {BEND}",
    ),
}
LONG_ROWS = {
    "long-relu-wide": ("standard, ReLU, width × 1.4", f"{LONG} {WIDE}"),
    "long-crelu": ("standard, CReLU", f"{LONG} layer_type=crelu"),
    "long-poly3": ("**polynomial n=3**", f"{LONG} {POLY}"),
    "long-poly3-linear": ("polynomial n=3, domain linear", f"{LONG} {POLY} domain=linear"),
    "long-shared": ("**shared, polynomial n=3, width × 1.4**", f"{LONG} {SHARED} {BEND} width=0.35"),
}
TABLES = {
    "Controls, short form": CONTROLS,
    "High order, short form": HIGH_ORDER,
    "One choice changed of polynomial n=3, short form": CHOICES,
    "One function a channel (sharing=channel), short form": SHARING,
    "Long form": LONG_ROWS,
}
SEEDS = (
    dict.fromkeys(("relu", "relu-wide", "crelu", "poly3", "poly3-match"), 3)
    | dict.fromkeys(LONG_ROWS, 2)
    | {"long-poly3-linear": 1}
)
"""How many seeds a row gets; one where nothing is said."""

if __name__ == "__main__":
    Comparison("cifar100_cpu", TABLES, SEEDS).main(sys.argv[1:])

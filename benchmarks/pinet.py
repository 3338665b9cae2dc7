"""Blocks beside each other on CIFAR-10 on a CPU, results/pinet.md; comparison.py says how it is run."""

import sys

from comparison import Comparison

PRESET = "experiment=cifar10_cpu"
POLY = "layer_type=polynomial2d n=3"
# By row its label, its block, and the widths at which its network has as many parameters as the first row's.
BLOCKS = {
    "residual": ("residual, r(F + S)", "residual", 0.25, 0.178),
    "pi": ("pi, r(F + S + BN(F ∗ S))", "pi", 0.25, 0.178),
    "table5": ("table5, r(F + S + C₂((C₁ S) ∗ F))", "table5", 0.236, 0.1665),
    "sum": ("table5 with a sum for the product", "table5_sum", 0.236, 0.1665),
    "rpoly": ("rpoly, no activations", "rpoly", 0.244, 0.172),
    "ncp": ("ncp of degree 3", "ncp", 0.202, 0.143),
}
STANDARD = {
    row: (label, f"{PRESET} layer_type=standard block={block} width={width}")
    for row, (label, block, width, _) in BLOCKS.items()
}
HIGH_ORDER = {
    f"poly-{row}": (label, f"{PRESET} {POLY} block={block} width={width}")
    for row, (label, block, _, width) in BLOCKS.items()
}
TABLES = {"Ordinary convolutions": STANDARD, "Polynomial convolutions, n=3, no activations": HIGH_ORDER}

if __name__ == "__main__":
    Comparison("pinet", TABLES, dict.fromkeys([*STANDARD, *HIGH_ORDER], 3)).main(sys.argv[1:])

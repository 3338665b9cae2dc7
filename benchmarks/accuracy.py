"""High-order networks beside ordinary ones at the end of training, results/accuracy.md; see comparison.py.

Settings are chosen on images held out of the training images (dataset.split=dev) in two forms, `end-…` and `l25-…`;
what wins is confirmed on the test images in a third, `l35-…`. A row runs in each form that it is named for.
"""

import sys

from comparison import Comparison

FORMS = {
    "end": ("4,500 images by heart (dev)", "experiment=cifar100_cpu_end dataset.split=dev"),
    "firm": ("the same, four times the decay (dev)", "experiment=cifar100_cpu_end dataset.split=dev weight_decay=2e-3"),
    "mixed": (
        "the same, four times the decay, CutMix in half of the batches (dev)",
        "experiment=cifar100_cpu_end dataset.split=dev weight_decay=2e-3 "
        "dataset.augment.cutmix=1.0 dataset.augment.mix_probability=0.5",
    ),
    "l25": ("all images, 20 epochs, a quarter of the width (dev)", "experiment=cifar100_cpu_l25 dataset.split=dev"),
    "firm25": ("the same, twice the decay (dev)", "experiment=cifar100_cpu_l25 dataset.split=dev weight_decay=1e-3"),
    "l35": ("all images, 20 epochs, width 0.35 (test)", "experiment=cifar100_cpu_long width=0.35"),
}
"""By form its title and what all of its runs share."""
SILU = "layer_type=standard activation=silu"
PRODUCTS = "block=pi block.gate=quadratic block.funnel=product"
PLACED = (
    "layer_type=polynomial2d n=3 sharing=channel parameters=nodal init=silu domain=linear scale=auto "
    "skip=[stem] pool_function=true"
)
EARLY = f"{PLACED} freeze=[layer3.*.shape,layer4.*.shape]"
CALM = (
    "layer_type=continuous2d n=2 segments=8 sharing=1 parameters=nodal init=relu domain=slopes scale=auto "
    "skip=[stem] pool_function=true functions.lr=0.1"
)
KNEE = (
    "layer_type=continuous2d n=2 segments=2 sharing=1 parameters=nodal init=relu domain=linear scale=4 "
    "skip=[stem] pool_function=true"
)
ROWS = {
    "relu": ("ReLU", "layer_type=standard", "end firm mixed l25 l35"),
    "silu": ("SiLU", SILU, "end firm mixed l25 firm25 l35"),
    "se": ("ReLU, squeeze-and-excitation", "layer_type=standard block=se", "end l25 l35"),
    "silu-se": ("SiLU, squeeze-and-excitation", f"{SILU} block=se", "l25 l35"),
    "relu-gate": ("ReLU, gate", "layer_type=standard block=gate", "end"),
    "silu-gate": ("SiLU, gate", f"{SILU} block=gate", "end mixed l25 l35"),
    "silu-gate-pi": ("SiLU, gate, Π-term", f"{SILU} block=pi block.gate=quadratic", "end l25"),
    "silu-gate-funnel": ("SiLU, gate, funnel", f"{SILU} block=funnel block.gate=quadratic", "end"),
    "silu-pi-funnel": ("SiLU, Π-term, funnel", f"{SILU} block=pi block.funnel=product", "l25"),
    "silu-products": ("SiLU, gate, Π-term, funnel", f"{SILU} {PRODUCTS}", "end firm mixed l25 firm25"),
    "silu-products-matched": ("SiLU, gate, Π-term, funnel", f"{SILU} {PRODUCTS} width=0.348", "l35"),
    "relu-funnel": ("ReLU, funnel", "layer_type=standard block=funnel", "end"),
    "relu-products": ("ReLU, gate, Π-term, funnel", f"layer_type=standard {PRODUCTS}", "end firm"),
    "placed": ("a function a channel", PLACED, "end l25"),
    "gate": ("a function a channel, gate", f"{PLACED} block=gate", "end firm firm25"),
    "products": ("a function a channel, gate, Π-term, funnel", f"{PLACED} {PRODUCTS}", "l25"),
    "early-gate": ("a function a channel in two stages, gate", f"{EARLY} block=gate", "end mixed l25 l35"),
    "early-products": ("a function a channel in two stages, gate, Π-term, funnel", f"{EARLY} {PRODUCTS}", "l25"),
    "one": ("a function a layer", PLACED.replace("=channel", "=1"), "firm"),
    "calm-gate": ("eight pieces a layer, from ReLU, gate", f"{CALM} block=gate", "firm"),
    "knee": ("one knee a layer, from ReLU", KNEE, "firm"),
    "knee-decayed": ("one knee a layer, decayed as weights", f"{KNEE} functions.weight_decay=null", "firm"),
}
"""By row its label, its overrides and its forms."""
CONTROLS = {"− ReLU": "relu", "− SiLU": "silu", "− SE": "se"}
"""The rows that the others of a form are compared with, by heading."""


def table(form: str) -> dict[str, tuple[str, str]]:
    """Give the rows of a form by name."""
    _, preset = FORMS[form]
    return {
        f"{form}-{row}": (label, f"{preset} plots.enabled=false {words}")
        for row, (label, words, forms) in ROWS.items()
        if form in forms.split()
    }


TABLES = {title: table(form) for form, (title, _) in FORMS.items()}
PAIRED = {title: {head: f"{form}-{row}" for head, row in CONTROLS.items()} for form, (title, _) in FORMS.items()}
COMPARISON = Comparison("accuracy", TABLES, {row: 3 for rows in TABLES.values() for row in rows}, controls=PAIRED)

if __name__ == "__main__":
    COMPARISON.main(sys.argv[1:])

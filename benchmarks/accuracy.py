"""High-order networks beside ordinary ones at the end of training, results/accuracy.md; see comparison.py.

Settings are chosen on images held out of the training images (dataset.split=dev) in two forms, `end-…` and `l25-…`;
what wins is confirmed on the test images in a third, `l35-…`. A row runs in each form that it is named for.
"""

import sys

from comparison import Comparison

FORMS = {
    "end": ("4,500 images by heart (dev)", "experiment=cifar100_cpu_end dataset.split=dev"),
    "firm": ("the same, four times the decay (dev)", "experiment=cifar100_cpu_end dataset.split=dev weight_decay=2e-3"),
    "l25": ("all images, 20 epochs, a quarter of the width (dev)", "experiment=cifar100_cpu_l25 dataset.split=dev"),
    "firm25": ("the same, twice the decay (dev)", "experiment=cifar100_cpu_l25 dataset.split=dev weight_decay=1e-3"),
    "l35": ("all images, 20 epochs, width 0.35 (test)", "experiment=cifar100_cpu_long width=0.35"),
}
"""By form its title and what all of its runs share."""
OLD = "layer_type=polynomial2d n=3 sharing=channel parameters=nodal init=mixed domain=linear scale=4"
SHARED = "layer_type=polynomial2d n=3 sharing=channel parameters=nodal init=silu domain=linear scale=auto"
PLACED = f"{SHARED} skip=[stem] pool_function=true"
CALM = (
    "layer_type=continuous2d n=2 segments=8 sharing=1 parameters=nodal init=relu domain=slopes scale=auto "
    "skip=[stem] pool_function=true functions.lr=0.1"
)
KNEE = "layer_type=continuous2d n=2 segments=2 sharing=1 parameters=nodal init=relu domain=linear scale=4 skip=[stem]"
ROWS = {
    "relu": ("ReLU", "layer_type=standard", "end firm l25 firm25 l35"),
    "silu": ("SiLU", "layer_type=standard activation=silu", "end firm l25 firm25 l35"),
    "se": ("ReLU, squeeze-and-excitation", "layer_type=standard block=se", "end firm l25 firm25 l35"),
    "placed": ("shared, from SiLU, aligned, as ReLUs stand", PLACED, "end firm l25 firm25 l35"),
    "gate": ("the same, gate", f"{PLACED} block=gate", "end firm l25 firm25 l35"),
    "relu-gate": ("ReLU, gate", "layer_type=standard block=gate", "end firm l25 l35"),
    "relu-pi": ("ReLU, Π-term", "layer_type=standard block=pi", "end l25 l35"),
    "relu-last": ("ReLU, none before the pooling", "layer_type=standard block.last=false", "end"),
    "relu-funnel": ("ReLU, funnel", "layer_type=standard block=funnel", "end l25 l35"),
    "silu-se": ("SiLU, squeeze-and-excitation", "layer_type=standard activation=silu block=se", "end l25 l35"),
    "silu-gate": ("SiLU, gate", "layer_type=standard activation=silu block=gate", "end l25 l35"),
    "calm": ("one line of eight pieces a layer, from ReLU", CALM, "end firm l25"),
    "calm-gate": ("the same, gate", f"{CALM} block=gate", "end firm l25 firm25 l35"),
    "knee": ("one knee a layer, from ReLU", f"{KNEE} pool_function=true", "firm"),
    "knee-decayed": (
        "the same, decayed as weights",
        f"{KNEE} pool_function=true functions.weight_decay=null",
        "firm",
    ),
    "knee-bare": ("the same, none before the pooling", f"{KNEE} pool_function=false", "firm"),
    "one": ("one function a layer", PLACED.replace("=channel", "=1"), "end firm l25 l35"),
    "deviation": ("one a layer and deviations", PLACED.replace("=channel", "=deviation"), "end l25 l35"),
    "until": ("as ReLUs stand, frozen again from the middle on", f"{PLACED} functions.until=0.5", "end l25"),
    "decayed": ("as ReLUs stand, decayed as weights", f"{PLACED} functions.weight_decay=null", "end l25"),
    "bare-pool": ("shared, from SiLU, aligned, none on the image", f"{SHARED} skip=[stem]", "end l25"),
    "sh": ("shared, from mixed, scale 4", OLD, "end l25"),
    "mixed": ("as ReLUs stand, from mixed", PLACED.replace("silu", "mixed"), "end l25"),
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

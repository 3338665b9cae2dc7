"""The comparison of feed-forwards on WikiText-2, results/wikitext2.md; comparison.py says how it is run."""

import sys

from comparison import Comparison

FORM = "experiment=wikitext2"
MATCH = "rescale_planes=match"
NODAL = "parameters=nodal domain=linear"
PIECES = "layer_type=continuous n=3 segments=2"
ROWS = {
    "relu": ("standard, ReLU", f"{FORM} layer_type=standard"),
    "poly3": ("polynomial n=3", f"{FORM} layer_type=polynomial n=3 {MATCH}"),
    "gelu": ("standard, GELU", f"{FORM} layer_type=standard activation=gelu"),
    "continuous": ("continuous n=3, 2 segments, nodal", f"{FORM} {PIECES} {NODAL} {MATCH}"),
    "fourier3": ("Fourier n=3", f"{FORM} layer_type=fourier n=3 {MATCH}"),
    "channel": (
        "one function a channel before the second matrix",
        f"{FORM} {PIECES} {NODAL} sharing=channel functions.weight_decay=null init=relu skip=*.up {MATCH}",
    ),
    "poly2": ("polynomial n=2", f"{FORM} layer_type=polynomial n=2 {MATCH}"),
    "continuous-spectral": ("continuous n=3, 2 segments, as they come", f"{FORM} {PIECES} {MATCH}"),
    "poly3-relu": ("polynomial n=3, ReLU kept", f"{FORM} layer_type=polynomial n=3 activation=keep {MATCH}"),
}
PART = f"{FORM} layer_type=standard fraction=0.3 max_epochs=1"
SOFTMAXES = {
    "softmax-full": ("standard, ReLU, full softmax, tied", f"{PART} softmax=full"),
    "softmax-adaptive": ("standard, ReLU, adaptive softmax", f"{PART} softmax=adaptive"),
}
TABLES = {
    "Feed-forwards at equal parameters, two epochs": ROWS,
    "Full and adaptive softmax, 30 % of the text, one epoch": SOFTMAXES,
}
SEEDS: dict[str, int] = dict.fromkeys(("relu", "gelu", "poly3", "continuous", "fourier3"), 2)
SHOWN = {"test": "test_perplexity", "validation": "val_perplexity", "training": "train_perplexity"}

if __name__ == "__main__":
    Comparison("wikitext2", TABLES, SEEDS, SHOWN).main(sys.argv[1:])

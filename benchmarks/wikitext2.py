"""Run and tabulate the comparison of feed-forwards on WikiText-2: results/wikitext2.md.

python benchmarks/wikitext2.py run [PATTERN …]      the rows whose name matches, those not run yet, one by one
python benchmarks/wikitext2.py table                the tables in results/wikitext2.md, from what has been run
"""

import statistics
import sys

from campaign import Campaign

from high_order_nets.sweeps.table import Row, spread

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
        f"{FORM} {PIECES} {NODAL} sharing=channel init=relu skip=*.up {MATCH}",
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
CAMPAIGN = Campaign(
    "wikitext2",
    ROWS | SOFTMAXES,
    kept=("val_perplexity", "test_perplexity", "test_bits_per_token", "train_perplexity", "tokens_per_second"),
    seeds=dict.fromkeys(("relu", "gelu", "poly3", "continuous", "fourier3"), 2),
)
HEAD = "| feed-forward | overrides | test | validation | training | parameters | multiply-adds a block | tokens/s |"
TABLES = {
    "Feed-forwards at equal parameters, two epochs": ROWS,
    "Full and adaptive softmax, 30 % of the text": SOFTMAXES,
}


def table_row(name: str, label: str, overrides: str) -> str:
    """Format one row: perplexities, mean ± standard deviation (n), sizes, speed."""
    row = Row({}, CAMPAIGN.runs_of(name))
    short = overrides.removeprefix(FORM).strip()
    if not row.runs:
        return f"| {label} | `{short}` | not run | | | | | |"
    perplexities = " | ".join(spread(row, f"{split}_perplexity") for split in ("test", "val", "train"))
    parameters, macs = (row.values(key)[0] / 1e6 for key in ("parameters", "macs"))
    speed = statistics.median(row.values("tokens_per_second"))
    return f"| {label} | `{short}` | {perplexities} | {parameters:.3f} M | {macs:.1f} M | {speed:,.0f} |"


def tables() -> str:
    """Make the tables and what made them, as Markdown."""
    parts = []
    for title, rows in TABLES.items():
        lines = [table_row(name, *row) for name, row in rows.items()]
        head = [HEAD, "|---" * 8 + "|"]
        parts.append("\n".join([f"## {title}", "", f"`high-order-nets train {FORM} …`", "", *head, *lines]))
    return "\n\n".join([*parts, CAMPAIGN.circumstances()])


if __name__ == "__main__":
    CAMPAIGN.main(sys.argv[1:], tables)

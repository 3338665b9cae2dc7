"""Run and tabulate the CIFAR-100 comparison on a CPU: results/cifar100_cpu.md.

    python benchmarks/cifar100_cpu.py run [PATTERN …]      the rows whose name matches, those not run yet, one by one
    python benchmarks/cifar100_cpu.py table                the tables in results/cifar100_cpu.md, from what has been run

A row is a label and a set of overrides; a run lands in outputs/cifar100_cpu/ROW-sSEED, on one thread, and its
figures in results/cifar100_cpu.json, so that what is missing can be run later and elsewhere. Several `run` may work
side by side: each takes a run by making its folder. ROUNDS=1 in the environment leaves it at the first seed.
"""

import json
import os
import statistics
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from filelock import FileLock

from high_order_nets.runs.folder import Run, metrics_of
from high_order_nets.sweeps.table import Row, spread

ROOT = Path(__file__).resolve().parents[1]
OUTPUTS = Path(os.environ.get("CIFAR100_CPU_OUTPUTS", ROOT / "outputs" / "cifar100_cpu"))
SHORT, LONG = "experiment=cifar100_cpu", "experiment=cifar100_cpu_long"
POLY = "layer_type=polynomial2d n=3"
STORE = ROOT / "results" / "cifar100_cpu.json"
PAGE = ROOT / "results" / "cifar100_cpu.md"
MARK = "<!-- below: made by `python benchmarks/cifar100_cpu.py table` -->"
KEPT = (
    *("status", "error", "test_acc", "test_acc5", "test_loss", "train_acc", "train_loss", "parameters"),
    *("parameters_reduced", "macs", "seconds", "seconds_per_epoch", "images_per_second", "date", "versions", "cpus"),
)
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
SHARED = f"{POLY} sharing=channel parameters=nodal"
BEND = "init=mixed domain=linear scale=2"
SHARING = {
    "shared": ("**shared, polynomial n=3, init mixed, domain linear**", f"{SHORT} {SHARED} {BEND}"),
    "shared-relu": ("shared, init relu", f"{SHORT} {SHARED} init=relu domain=linear scale=2"),
    "shared-linear": ("shared, init linear", f"{SHORT} {SHARED} init=linear domain=linear scale=2"),
    "shared-spectral": ("shared, spectral parameters", f"{SHORT} {POLY} sharing=channel {BEND}"),
    "shared-tanh": ("shared, domain tanh, spectral", f"{SHORT} {POLY} sharing=channel init=mixed"),
    "shared-5": (
        "shared, polynomial n=5",
        f"{SHORT} layer_type=polynomial2d n=5 sharing=channel parameters=nodal {BEND}",
    ),
    "shared-continuous": (
        "shared, continuous n=2, 4 segments",
        f"{SHORT} layer_type=continuous2d n=2 segments=4 sharing=channel parameters=nodal {BEND}",
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
ROWS = {name: row for table in TABLES.values() for name, row in table.items()}
SEEDS = (
    dict.fromkeys(("relu", "relu-wide", "crelu", "poly3", "poly3-match"), 3)
    | dict.fromkeys(LONG_ROWS, 2)
    | {"long-poly3-linear": 1}
)
"""How many seeds a row gets; one where nothing is said."""


def run(patterns: list[str]) -> None:
    """Run what matches and is not there, the first seed of all rows before the second of any."""
    chosen = [name for name in ROWS if any(fnmatch(name, pattern) for pattern in patterns or ["*"])]
    for seed in range(1, 1 + int(os.environ.get("ROUNDS", "3"))):
        for name in chosen:
            if seed <= SEEDS.get(name, 1) and f"{name}-s{seed}" not in stored():
                run_one(f"{name}-s{seed}", [*ROWS[name][1].split(), f"seed={seed}"])


def run_one(run_name: str, overrides: list[str]) -> None:
    """Run one setting with one seed in a process of its own and store its figures, unless another has taken it."""
    folder = OUTPUTS / run_name
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return
    command = [sys.executable, "-m", "high_order_nets", "train", *overrides, f"run_dir={folder}"]
    print(run_name, flush=True)
    with (folder / "log.txt").open("w") as log:
        subprocess.run(command, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
    store(run_name, metrics_of(folder))


def stored() -> dict[str, dict[str, Any]]:
    """Read the figures of all runs by ROW-sSEED."""
    return json.loads(STORE.read_text(encoding="utf-8")) if STORE.exists() else {}


def store(run_name: str, metrics: dict[str, Any]) -> None:
    """Add the figures of a run that finished or diverged."""
    if metrics["status"] not in ("finished", "diverged"):
        return
    kept = {key: metrics[key] for key in KEPT if key in metrics}
    kept["overrides"] = " ".join(word for word in metrics["command"].split() if "=" in word and "run_dir" not in word)
    with FileLock(OUTPUTS / "store.lock"):
        runs = dict(sorted((stored() | {run_name: kept}).items()))
        STORE.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")


def runs_of(name: str) -> list[Run]:
    """Find the runs of a row."""
    found = stored().items()
    return [Run(OUTPUTS / folder, metrics=run) for folder, run in found if folder.rpartition("-s")[0] == name]


def table_row(name: str, label: str, overrides: str) -> str:
    """Format one row: mean ± standard deviation (n) in percent, sizes, seconds."""
    row = Row({}, runs_of(name))
    short = overrides.removeprefix(LONG).removeprefix(SHORT).strip()
    if not row.runs:
        return f"| {label} | `{short}` | not run | | | | |"
    if any(run.status == "diverged" for run in row.runs):
        return f"| {label} | `{short}` | diverged | | | | |"
    parameters, macs = (row.values(key)[0] / 1e6 for key in ("parameters", "macs"))
    seconds = statistics.median(row.values("seconds_per_epoch"))
    figures = f"{spread(row, 'test_acc')} | {spread(row, 'train_acc')}"
    return f"| {label} | `{short}` | {figures} | {parameters:.3f} M | {macs:.2f} M | {seconds:.0f} |"


def tables() -> str:
    """Make the tables and what made them, as Markdown."""
    head = "| network | overrides | test, % | train, % | parameters | multiply-adds | s/epoch |\n" + "|---" * 7 + "|"
    parts = []
    for title, rows in TABLES.items():
        lines = [table_row(name, *row) for name, row in rows.items()]
        preset = LONG if rows is LONG_ROWS else SHORT
        parts.append("\n".join([f"## {title}", "", f"`high-order-nets train {preset} …`", "", head, *lines]))
    return "\n\n".join([*parts, circumstances()])


def circumstances() -> str:
    """Say on what the figures were measured."""
    runs = [run.metrics for name in ROWS for run in runs_of(name)]
    cpu = next(
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    versions = ", ".join(f"{name} {version}" for name, version in runs[0]["versions"].items())
    dates = sorted(run["date"][:10] for run in runs)
    return f"Measured {dates[0]} to {dates[-1]} on {cpu}, {runs[0]['cpus']} cores, one thread a run; {versions}."


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(sys.argv[2:])
    elif sys.argv[1:] == ["table"]:
        words = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
        PAGE.write_text(f"{words}{MARK}\n\n{tables()}\n", encoding="utf-8")
    else:
        sys.exit(__doc__)

"""Run and tabulate the CIFAR-100 comparison on a CPU: results/cifar100_cpu.md.

    python benchmarks/cifar100_cpu.py run [PATTERN …]      the rows whose name matches, those not run yet, one by one
    python benchmarks/cifar100_cpu.py table                results/cifar100_cpu.md from what has been run

A row is a set of overrides and its seeds; a run lands in outputs/cifar100_cpu/ROW-sSEED, on one thread. Several
`run` may work side by side: each takes a run by making its folder.
"""

import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUTPUTS = Path(os.environ.get("CIFAR100_CPU_OUTPUTS", ROOT / "outputs" / "cifar100_cpu"))
SHORT, LONG = "experiment=cifar100_cpu", "experiment=cifar100_cpu_long"
POLY = "layer_type=polynomial2d n=3"
LION = "optimizer=lion learning_rate=1e-3 weight_decay=0.1"
SEED = "norm=max_abs init=constant_random optimizer=lion learning_rate=1e-4 weight_decay=0"
WIDE = "layer_type=standard width=0.35"

ROWS: dict[str, tuple[str, int]] = {
    "relu": (f"{SHORT} layer_type=standard", 3),
    "poly3": (f"{SHORT} {POLY}", 3),
    "poly3-nodal": (f"{SHORT} {POLY} parameters=nodal", 1),
    "relu-wide": (f"{SHORT} {WIDE}", 3),
    "crelu": (f"{SHORT} layer_type=crelu", 3),
    "poly3-match": (f"{SHORT} {POLY} rescale_planes=match", 3),
    "poly3-nodal-match": (f"{SHORT} {POLY} parameters=nodal rescale_planes=match", 1),
    "poly3-linear": (f"{SHORT} {POLY} domain=linear", 1),
    "poly3-clamp": (f"{SHORT} {POLY} domain=clamp", 1),
    "poly3-mirror": (f"{SHORT} {POLY} domain=mirror", 1),
    "poly3-extrapolate": (f"{SHORT} {POLY} domain=extrapolate", 1),
    "poly3-max_abs": (f"{SHORT} {POLY} norm=max_abs", 1),
    "poly3-constant_random": (f"{SHORT} {POLY} init=constant_random", 1),
    "poly3-variance_preserving": (f"{SHORT} {POLY} init=variance_preserving", 1),
    "poly3-lion": (f"{SHORT} {POLY} {LION}", 1),
    "poly3-adam": (f"{SHORT} {POLY} optimizer=adam learning_rate=2e-3 weight_decay=0", 1),
    "poly3-seed": (
        f"{SHORT} {POLY} {SEED}",
        1,
    ),
    "relu-lion": (f"{SHORT} layer_type=standard {LION}", 1),
    "tanh": (f"{SHORT} layer_type=standard activation=tanh", 1),
    "no-activation": (f"{SHORT} layer_type=standard activation=none", 1),
    "poly2": (f"{SHORT} layer_type=polynomial2d n=2", 1),
    "fourier3": (f"{SHORT} layer_type=fourier2d n=3", 1),
    "poly5": (f"{SHORT} layer_type=polynomial2d n=5", 1),
    "continuous": (f"{SHORT} layer_type=continuous2d n=2 segments=2", 1),
    "discontinuous": (f"{SHORT} layer_type=discontinuous2d n=2 segments=2", 1),
    "long-relu-wide": (f"{LONG} {WIDE}", 2),
    "long-poly3": (f"{LONG} {POLY}", 2),
    "long-crelu": (f"{LONG} layer_type=crelu", 2),
}


def run(patterns: list[str]) -> None:
    """Run what matches and is not there, the seeds of all rows in turn."""
    chosen = [name for name in ROWS if any(fnmatch(name, pattern) for pattern in patterns or ["*"])]
    for seed in range(1, 4):
        for name in chosen:
            overrides, seeds = ROWS[name]
            if seed <= seeds:
                run_one(name, overrides, seed)


def run_one(name: str, overrides: str, seed: int) -> None:
    """Run one setting with one seed in a process of its own, unless another has taken it."""
    folder = OUTPUTS / f"{name}-s{seed}"
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return
    command = [
        sys.executable,
        "-m",
        "high_order_nets",
        "train",
        *overrides.split(),
        f"seed={seed}",
        f"run_dir={folder}",
    ]
    print(f"{name} seed {seed}", flush=True)
    with (folder / "log.txt").open("w") as log:
        subprocess.run(command, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(sys.argv[2:])
    else:
        sys.exit(__doc__)

"""Rows of a comparison: labels and overrides, each trained with some seeds, in whatever order and place there is time.

A run lands in outputs/NAME/ROW-sSEED, on one thread, and its figures in results/NAME.json, so that what is missing can
be run later and elsewhere. Several `run` may work side by side: each takes a run by making its folder. ROUNDS=1 in the
environment leaves it at the first seed; CAMPAIGN_OUTPUTS is another folder than outputs/NAME.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from filelock import FileLock

from high_order_nets.runs.folder import Run, metrics_of

ROOT = Path(__file__).resolve().parents[1]
COSTS = ("parameters", "parameters_reduced", "macs", "seconds", "seconds_per_epoch", "date", "versions", "cpus")


@dataclass(frozen=True)
class Campaign:
    """The rows by name, (label, overrides); `seeds` says of how many seeds, one where nothing is said.

    `kept` are the figures that are stored beside the costs.
    """

    name: str
    rows: Mapping[str, tuple[str, str]]
    kept: Sequence[str]
    seeds: Mapping[str, int] = field(default_factory=dict)

    @property
    def outputs(self) -> Path:
        """The folder of the runs."""
        return Path(os.environ.get("CAMPAIGN_OUTPUTS", ROOT / "outputs" / self.name))

    @property
    def _store(self) -> Path:
        return ROOT / "results" / f"{self.name}.json"

    @property
    def page(self) -> Path:
        """The page that the tables stand on, below a mark."""
        return ROOT / "results" / f"{self.name}.md"

    def main(self, words: Sequence[str], tables: Callable[[], str]) -> None:
        """Do what the command line says: run [PATTERN …], or table."""
        if words[:1] == ["run"]:
            self.run(words[1:])
        elif list(words) == ["table"]:
            self.write(tables())
        else:
            sys.exit("expected run [PATTERN …] or table")

    def run(self, patterns: Sequence[str]) -> None:
        """Run what matches and is not there, the first seed of all rows before the second of any."""
        chosen = [name for name in self.rows if any(fnmatch(name, pattern) for pattern in patterns or ["*"])]
        for seed in range(1, 1 + int(os.environ.get("ROUNDS", "3"))):
            for name in chosen:
                if seed <= self.seeds.get(name, 1) and f"{name}-s{seed}" not in self.stored():
                    self._run_one(f"{name}-s{seed}", [*self.rows[name][1].split(), f"seed={seed}"])

    def stored(self) -> dict[str, dict[str, Any]]:
        """Read the figures of all runs by ROW-sSEED."""
        return json.loads(self._store.read_text(encoding="utf-8")) if self._store.exists() else {}

    def runs_of(self, name: str) -> list[Run]:
        """Find the runs of a row."""
        found = self.stored().items()
        return [Run(self.outputs / folder, metrics=run) for folder, run in found if folder.rpartition("-s")[0] == name]

    def circumstances(self) -> str:
        """Say on what the figures were measured."""
        runs = [run.metrics for name in self.rows for run in self.runs_of(name)]
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
        versions = ", ".join(f"{name} {version}" for name, version in runs[0]["versions"].items())
        dates = sorted(run["date"][:10] for run in runs)
        return f"Measured {dates[0]} to {dates[-1]} on {cpu}, {runs[0]['cpus']} cores, one thread a run; {versions}."

    def write(self, tables: str) -> None:
        """Put the tables on the page, in the place of older ones."""
        mark = f"<!-- below: made by `python benchmarks/{self.name}.py table` -->"
        text = self.page.read_text(encoding="utf-8")
        above = text.partition(mark)[0]
        self.page.write_text(f"{above}{mark}\n\n{tables}\n", encoding="utf-8")

    def _run_one(self, run_name: str, overrides: Sequence[str]) -> None:
        """Run one setting with one seed in a process of its own, unless another has taken it; store its figures."""
        folder = self.outputs / run_name
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            return
        command = [sys.executable, "-m", "high_order_nets", "train", *overrides, f"run_dir={folder}"]
        sys.stdout.write(f"{run_name}\n")
        sys.stdout.flush()
        with (folder / "log.txt").open("w") as log:
            subprocess.run(command, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
        self._keep(run_name, metrics_of(folder))

    def _keep(self, run_name: str, metrics: Mapping[str, Any]) -> None:
        """Add the figures of a run that finished or diverged."""
        if metrics["status"] not in ("finished", "diverged"):
            return
        kept = {key: metrics[key] for key in ("status", "error", *self.kept, *COSTS) if key in metrics}
        words = metrics["command"].split()
        kept["overrides"] = " ".join(word for word in words if "=" in word and "run_dir" not in word)
        with FileLock(self.outputs / "store.lock"):
            runs = dict(sorted((self.stored() | {run_name: kept}).items()))
            self._store.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")

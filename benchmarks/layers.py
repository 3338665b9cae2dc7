"""Measure the layers against plain ones and against high-order-layers-torch: results/speed.md, .csv and .json.

python benchmarks/layers.py                        all rows, at least 7 rounds, one thread
python benchmarks/layers.py --quick                the same with 3 rounds, one of the peer, in a minute: to build/bench
python benchmarks/layers.py --rows 'polynomial*'   these rows only, printed and not written but with --out
python benchmarks/layers.py --compare results/speed.json    what has changed since, beyond the spread
python benchmarks/layers.py --device cuda          layers by size, precision and compiler, and a ResNet-18 step

Candidates take turns in one process. On a CPU time is that of the one thread (time.thread_time), so that other
processes disturb little; on a GPU it is that between two events, after 20 warm-ups, of 50 runs. Inputs are new for
each, uniform in [-1, 1]. Forward is inference; forward + backward gives the gradients of the input and all parameters.
"""

import argparse
import datetime
import json
import os
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

# Read when torch is loaded: its profiler would report each start and stop.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")

import torch
from machine import ROOT, commit, processor, versions
from speed.cases import ON_CPU, PEER, Case
from speed.gpu import on_gpu
from speed.measure import Effort, Setting, measure
from speed.report import as_csv, changes, memory_table, rates_table, speed_line, speed_table

from high_order_nets.terminal import tolerant
from high_order_nets.training.memory import keep_freed_memory

EFFORTS = {
    ("cpu", False): Effort(rounds=9, peer=9, slow_peer=3, warmups=1),
    ("cpu", True): Effort(rounds=3, peer=1, slow_peer=1, warmups=0),
    ("cuda", False): Effort(rounds=50, peer=50, slow_peer=50, warmups=20),
    ("cuda", True): Effort(rounds=10, peer=10, slow_peer=10, warmups=5),
}
MARK = "<!-- below: made by `python benchmarks/layers.py` -->"


def plan(device: torch.device, patterns: list[str]) -> list[tuple[Case, Setting]]:
    """List what to measure."""
    rows = on_gpu(device) if device.type == "cuda" else [(case, Setting(device)) for case in ON_CPU]
    return [row for row in rows if not patterns or any(fnmatch(row[0].name, pattern) for pattern in patterns)]


def circumstances(options: argparse.Namespace) -> dict[str, Any]:
    """Say what made the figures."""
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "processor": processor(options.device),
        "threads": torch.get_num_threads(),
        "versions": versions("torch", PEER),
        "glibc keeps freed memory": not options.return_memory,
        "quick": options.quick,
    }


def page(result: dict[str, Any]) -> str:
    """Write the tables and what made them, as Markdown."""
    facts = dict(result["circumstances"])
    names = ", ".join(f"{name} {version}" for name, version in facts.pop("versions").items())
    rest = ", ".join(f"{key}: {value}" for key, value in facts.items())
    rows = result["rows"]
    troubles = [f"- {row['label']}: {name}: {why}" for row in rows for name, why in row["troubles"].items()]
    parts = [
        f"{rest}; {names}.",
        "Medians (quartiles) of ratios taken round by round; fewer rounds than seven are said.",
        speed_table(rows),
        "Beside the input and the parameters, 1 MB = 10⁶ bytes; the most at once, of forward + backward, includes the "
        "output, its gradient and all others.",
        memory_table(rows),
        "Forward + backward; TF/s of the contractions that are done.",
        rates_table(rows),
        *(["Not measured:\n\n" + "\n".join(troubles)] if troubles else []),
    ]
    return "\n\n".join(parts) + "\n"


def write(folder: Path, result: dict[str, Any]) -> None:
    """Write speed.md below what people wrote in it, speed.csv and speed.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "speed.md"
    words = path.read_text(encoding="utf-8").partition(MARK)[0] if path.exists() else "# Speed\n\n"
    path.write_text(f"{words}{MARK}\n\n{page(result)}", encoding="utf-8")
    (folder / "speed.csv").write_text(as_csv(result["rows"]), encoding="utf-8")
    text = json.dumps(result, indent=1, ensure_ascii=False)
    (folder / "speed.json").write_text(text + "\n", encoding="utf-8")


def parsed(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("--rows", nargs="+", default=[], metavar="PATTERN", help="names of rows, as in speed.json")
    parser.add_argument("--compare", type=Path, metavar="JSON", help="an earlier speed.json")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default: results; --quick: build/bench; --rows: nowhere"
    )
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--return-memory", action="store_true", help="let glibc do as it does outside of training")
    options = parser.parse_args(argv)
    if options.compare and not options.compare.is_file():
        parser.error(f"--compare {options.compare}: no such file")
    return options


@tolerant()
def main(argv: list[str] | None = None) -> int:
    """Measure, print and write."""
    options = parsed(argv)
    before = json.loads(options.compare.read_text(encoding="utf-8")) if options.compare else None
    rows = plan(options.device, options.rows)
    if not rows:
        names = dict.fromkeys(case.name for case, _ in plan(options.device, []))
        print(f"--rows {' '.join(options.rows)}: matches none of", *names, file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if not options.return_memory:
        keep_freed_memory()  # As training does, for all candidates alike.
    effort = EFFORTS[options.device.type, options.quick]
    measured = []
    for case, setting in rows:
        measured.append(measure(case, setting, effort))
        print(speed_line(measured[-1]), file=sys.stderr, flush=True)  # Something to see: all rows take minutes.
    result = {"circumstances": circumstances(options), "rows": measured}
    print(page(result))
    if options.out or not options.rows:
        # Few rounds give coarse figures: they must not replace those that are kept in git.
        folder = options.out or ROOT / ("build/bench" if options.quick else "results")
        write(folder, result)
        print(f"written to {folder}", file=sys.stderr)
    if before is not None:
        print("\n".join(changes(before, result)) or "nothing has changed beyond the spread")
    return 0


if __name__ == "__main__":
    sys.exit(main())

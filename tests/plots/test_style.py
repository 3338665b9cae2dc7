"""The look that all pictures share."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_palette_stands_once() -> None:
    files = [
        *(ROOT / "high_order_nets").rglob("*.py"),
        *(ROOT / "docs").glob("*.py"),
        *(ROOT / "benchmarks").glob("*.py"),
    ]
    typed = [file.name for file in files if "#0072b2" in file.read_text(encoding="utf-8").lower()]
    assert typed == ["style.py"]


def test_sweeps_are_drawn_without_torch() -> None:
    code = "import sys, high_order_nets.sweeps.plot; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

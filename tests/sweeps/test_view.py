"""Tables on consoles of 40 to 200 columns, on pseudo-terminals too, and the options of `table`."""

import json
import os
import pty
import re
import struct
import subprocess
import sys
from fcntl import ioctl
from io import StringIO
from pathlib import Path
from termios import TIOCSWINSZ
from typing import Any

import pytest
import yaml
from rich.console import Console

from high_order_nets import cli
from high_order_nets.run.folder import Run
from high_order_nets.sweeps import table
from high_order_nets.sweeps.view import lay_out

LAYERS = ("standard", "polynomial2d", "fourier2d")


def make_sweep(folder: Path, status: str = "finished", seeds: tuple[int, ...] = (1, 2)) -> None:
    """Write the folders of a sweep over layer types, n, a rate and seeds; the last job ends with `status`."""
    jobs = [(layer, n, seed) for layer in LAYERS for n in (2, 3) for seed in seeds]
    for number, (layer, n, seed) in enumerate(jobs):
        run = folder / str(number)
        (run / ".hydra").mkdir(parents=True)
        keys = [f"layer_type={layer}", f"n={n}", f"seed={seed}", "learning_rate=0.001"]
        (run / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(keys))
        config = {"choices": {"layer_type": layer}, "n": n, "seed": seed, "learning_rate": 0.001}
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        figures = dict.fromkeys(("test_acc", "test_acc5", "val_acc"), (number + 1) / 20)
        costs = {"parameters": 1_234_567 + n, "macs": 98_765_432 + n, "seconds": 1234.5}
        ended = status if number == len(jobs) - 1 else "finished"
        metrics = {"status": ended} | (figures | costs if ended == "finished" else {"error": "x: " + "not so " * 20})
        (run / "metrics.json").write_text(json.dumps(metrics))


def make_rows(status: str = "finished") -> list[table.Row]:
    runs = []
    for number, layer in enumerate(("standard", "continuous_polynomial2d")):
        config = {"choices": {"layer_type": layer}, "n": number, "seed": 1, "optimizer": {"momentum": number / 7}}
        metrics: dict[str, Any] = dict.fromkeys(("test_acc", "test_acc5", "val_acc"), 0.1234)
        metrics |= {"parameters": 11_173_962, "macs": 555_422_720 + number, "seconds": 12345.6}
        keys = ("layer_type", "n", "optimizer.momentum", "seed")
        runs.append(Run(Path(f"s/{number}"), config, keys, {"status": status if number else "finished"} | metrics))
    return table.group(runs)


def drawn(rows: list[table.Row], width: int) -> list[str]:
    console = Console(file=StringIO(), width=width)
    for part in lay_out(rows, width):
        console.print(part, soft_wrap=isinstance(part, str))
    return console.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("status", ["finished", "diverged"])
@pytest.mark.parametrize("width", range(40, 201, 8))
def test_no_line_is_wider_than_the_console_and_no_cell_is_broken(width: int, status: str) -> None:
    rows = make_rows(status)
    lines = drawn(rows, width)
    assert max(map(len, lines)) <= width
    whole = {word for row in [table.cells(rows)[0], *table.cells(rows)[1]] for cell in row for word in cell.split()}
    said = {"in", "all", "rows:", "not", "shown", "for", "want", "of", "room:", "(columns=…", "chooses)"}
    words = {word for line in lines for word in re.sub("[│┃]|[━─┏┓┗┛┡┩╇┳└┘┴┼├┤]+", " ", line).split()}
    assert {word.strip(",") for word in words} <= {word.strip(",") for word in whole} | said
    assert {"standard", "continuous_polynomial2d", "12.34"} <= words


def test_the_status_is_shown_only_where_not_all_finished() -> None:
    assert "status" not in "".join(drawn(make_rows(), 200))
    assert "diverged" in "".join(drawn(make_rows("diverged"), 200))


def screen(width: int, *argv: str) -> list[str]:
    """Run the program on a pseudo-terminal of so many columns; return its lines as they stand on the screen."""
    master, slave = pty.openpty()
    ioctl(slave, TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-m", "high_order_nets", *argv]
    process = subprocess.Popen(command, stdout=slave, stdin=slave, env=environment | {"TERM": "xterm"})
    os.close(slave)
    shown = b""
    try:
        while part := os.read(master, 65536):
            shown += part
    except OSError:  # the other side is closed
        pass
    os.close(master)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    return text.replace("\r\n", "\n").splitlines()


def test_pseudo_terminals_of_80_and_120_columns(tmp_path: Path) -> None:
    make_sweep(tmp_path / "s")
    narrow, wide = (screen(width, "table", str(tmp_path / "s")) for width in (80, 120))
    assert max(map(len, narrow)) <= 80
    assert max(map(len, wide)) <= 120
    assert sum("polynomial2d" in line for line in narrow) == sum("polynomial2d" in line for line in wide) == 2
    assert "test_acc5 %" in "".join(wide)
    assert any(line.startswith("│ standard") and "± 3.54 (2)" in line for line in narrow)


def test_a_table_only_shows_unless_a_folder_is_named(tmp_path: Path) -> None:
    make_sweep(tmp_path / "s")
    assert cli.main(["table", str(tmp_path / "s")]) == 0
    assert not list((tmp_path / "s").glob("results*"))
    assert cli.main(["table", str(tmp_path / "s"), f"out={tmp_path / 'out'}"]) == 0
    assert {"results.csv", "results.md"} <= {path.name for path in (tmp_path / "out").iterdir()}


def numbers(text: str) -> list[str]:
    return re.findall(r"│ (standard|polynomial2d|fourier2d) *│ (\d)", text)


def test_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_sweep(tmp_path, "failed")
    expected = {
        ("sort=test_acc", "top=2"): [("fourier2d", "3"), ("fourier2d", "2")],
        ("sort=-test_acc", "top=1"): [("standard", "2")],
        ("where=n=3", "sort=layer_type"): [("fourier2d", "3"), ("polynomial2d", "3"), ("standard", "3")],
    }
    for options, rows in expected.items():
        assert cli.main(["table", str(tmp_path), "columns=layer_type,n,test_acc", *options]) == 0
        shown = numbers(capsys.readouterr().out)
        assert [name for name, *_ in shown] == [name for name, _ in rows]
    assert cli.main(["table", str(tmp_path), "where=status=failed"]) == 0
    assert "failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("sort=test_ac", "test_acc"),
        ("top=0", "at least 1"),
        ("where=m=3", "no run has m"),
        ("where=n=7", "n is 2, 3"),
        ("where=n", "KEY=VALUE"),
        ("columns=test_ac", "test_acc"),
        ("sorted=n", "sort"),
        ("where=status=finishd", "finished"),
    ],
)
def test_wrong_options_are_one_line(option: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_sweep(tmp_path, seeds=(1,))
    assert cli.main(["table", str(tmp_path), option]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert option.partition("=")[2] in error
    assert said in error


@pytest.mark.parametrize("argv", [("--help",), ("list", "layers"), ("list", "datasets")])
def test_texts_fit_a_pseudo_terminal(argv: tuple[str, ...]) -> None:
    lines = screen(80, *argv)
    assert max(map(len, lines)) <= 80 or [line for line in lines if len(line) > 80 and " " in line.strip()] == []

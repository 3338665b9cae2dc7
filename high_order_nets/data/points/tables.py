"""Points from one's own file: a CSV with named columns, or an npz with arrays."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import UserError, nearest

Bounds = tuple[tuple[float, ...], tuple[float, ...]]
"""The lowest and the highest value of each input."""


@dataclass(frozen=True, eq=False)
class Points:
    """x (N, inputs) and y (N, outputs), float64, to train and to test on, with the names of the columns.

    `bounds` are the inputs' as far as they are known; None: those of the points trained on.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    bounds: Bounds | None = None

    def check(self) -> None:
        """Raise ValueError unless each split has finite rows of x and y, a column a name."""
        for x, y in ((self.train_x, self.train_y), (self.test_x, self.test_y)):
            for values, names in ((x, self.inputs), (y, self.outputs)):
                if values.ndim != 2 or values.shape[1] != len(names) or len(values) != len(x) or not len(x):
                    shapes = f"x {tuple(x.shape)} and y {tuple(y.shape)}"
                    raise ValueError(f"{shapes}: expected as many rows, and the columns {', '.join(names)}")
                if not values.isfinite().all():
                    raise ValueError("there are values that are not finite")


def read_points(
    path: Path, inputs: list[str] | None = None, outputs: list[str] | None = None, test_fraction: float = 0.2
) -> Points:
    """Read a table: a CSV whose first row names the columns, or an npz with x (N, inputs) and y (N, outputs).

    outputs None is the last column, inputs None all others; the columns of x are x0, x1, …, those of y y0, y1, …
    A part of the rows, drawn at random but always the same, is kept to test on; an npz may bring its own as x_test and
    y_test. Raises UserError for a file that cannot be read, a name that is no column and a value that is no number.
    """
    if not path.is_file():
        raise UserError(f"dataset.path={path}: no such file; expected a CSV with named columns, or an npz with x and y")
    columns, test = (_read_npz if path.suffix == ".npz" else _read_csv)(path)
    names = list(columns)
    if len(names) < 2:
        raise UserError(f"dataset.path={path}: has the column {', '.join(names)} alone; expected inputs and outputs")
    last = [name for name in names if path.suffix == ".npz" and name.startswith("y")] or names[-1:]
    outputs = _known(path, "outputs", outputs, names) or last
    inputs = _known(path, "inputs", inputs, names) or [name for name in names if name not in outputs]
    if not inputs or set(inputs) & set(outputs):
        both = ", ".join(sorted(set(inputs) & set(outputs))) or "no column left"
        raise UserError(f"dataset.inputs: {both}: a column is an input or an output, and there must be one of each")
    if test is None:
        columns, test = _divided(path, columns, test_fraction)
    train_x, train_y, test_x, test_y = (_chosen(part, which) for part in (columns, test) for which in (inputs, outputs))
    return Points(tuple(inputs), tuple(outputs), train_x, train_y, test_x, test_y)


Columns = dict[str, np.ndarray]


def _read_csv(path: Path) -> tuple[Columns, None]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"dataset.path={path}: cannot be read: {error}") from error
    if len(rows) < 2:
        raise UserError(f"dataset.path={path}: expected a row of names and rows of numbers below it")
    names = [_name(name) for name in rows[0]]
    if len(set(names)) < len(names) or "" in names:
        raise UserError(f"dataset.path={path}: its first row must name each column once; it is {','.join(rows[0])}")
    values = np.array([_numbers(path, place, row, names) for place, row in enumerate(rows[1:], start=2)])
    return dict(zip(names, values.T, strict=True)), None


def _numbers(path: Path, place: int, row: list[str], names: list[str]) -> list[float]:
    if len(row) != len(names):
        raise UserError(f"dataset.path={path}: row {place} has {len(row)} values for {len(names)} columns")
    for name, text in zip(names, row, strict=True):
        try:
            finite = np.isfinite(float(text))
        except ValueError:
            finite = False
        if not finite:
            raise UserError(f"dataset.path={path}: row {place}, column {name}: {text!r} is no finite number")
    return [float(text) for text in row]


def _name(text: str) -> str:
    """Make a column's name one that the figures of a run can carry."""
    return re.sub(r"\W+", "_", text.strip())


def _read_npz(path: Path) -> tuple[Columns, Columns | None]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Any] = {key: np.asarray(file[key], dtype=np.float64) for key in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"dataset.path={path}: cannot be read: {error}") from error
    if not {"x", "y"} <= arrays.keys() or ("x_test" in arrays) != ("y_test" in arrays):
        rule = "expected x and y, and perhaps x_test and y_test"
        raise UserError(f"dataset.path={path}: holds {', '.join(arrays) or 'nothing'}; {rule}")
    train = _named(path, arrays["x"], arrays["y"])
    test = _named(path, arrays["x_test"], arrays["y_test"]) if "x_test" in arrays else None
    if test is not None and test.keys() != train.keys():
        raise UserError(f"dataset.path={path}: x_test and y_test have other columns than x and y")
    return train, test


def _named(path: Path, x: np.ndarray, y: np.ndarray) -> Columns:
    x, y = (part[:, None] if part.ndim == 1 else part for part in (x, y))
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or not len(x):
        raise UserError(f"dataset.path={path}: x {x.shape} and y {y.shape}: expected as many rows, (N, columns)")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise UserError(f"dataset.path={path}: holds values that are not finite")
    return {f"{name}{i}": column for name, part in (("x", x), ("y", y)) for i, column in enumerate(part.T)}


def _known(path: Path, key: str, asked: list[str] | None, names: list[str]) -> list[str]:
    for name in asked or []:
        if name not in names:
            raise UserError(f"dataset.{key}={name}: no column of {path}{nearest(name, names)}")
    return list(asked or [])


def _divided(path: Path, columns: Columns, fraction: float) -> tuple[Columns, Columns]:
    """Keep a part of the rows to test on; numpy's legacy generator, whose stream is frozen, draws them."""
    count = len(next(iter(columns.values())))
    held_out = round(fraction * count)
    if not 0 < held_out < count:
        rest = f"leave {count - held_out} to train on and {held_out} to test on"
        raise UserError(f"dataset.test_fraction={fraction}: of the {count} rows of {path} would {rest}")
    order = np.random.RandomState(0).permutation(count)
    test, train = np.sort(order[:held_out]), np.sort(order[held_out:])
    return {n: c[train] for n, c in columns.items()}, {n: c[test] for n, c in columns.items()}


def _chosen(columns: Columns, names: list[str]) -> Tensor:
    return torch.from_numpy(np.stack([columns[name] for name in names], 1))

"""Points of functions and tables: what is read, how it is scaled, in which order it comes."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from high_order_nets.data.points.module import PointDataModule, PointSettings
from high_order_nets.data.points.scaling import Scaling
from high_order_nets.data.points.tables import Points, read_points
from high_order_nets.data.points.targets import TARGETS, draw_points
from high_order_nets.errors import UserError


def table(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def module(points: Points, **settings) -> PointDataModule:
    return PointDataModule(points, PointSettings(**settings))


@pytest.mark.parametrize("name", TARGETS)
def test_every_function_gives_a_column_for_each_output(name: str) -> None:
    points = draw_points(name, 20, 10, 0.0, 1)
    assert points.train_x.shape == (20, TARGETS[name].inputs) == (20, len(points.inputs))
    assert points.train_y.shape == (20, len(points.outputs))
    assert points.train_y.dtype == torch.float64
    assert points.train_x.abs().max() <= 1
    torch.testing.assert_close(points.test_y, TARGETS[name].f(points.test_x))


def test_values_of_functions() -> None:
    x = torch.tensor([[0.5, 0.5], [-0.5, 0.5]], dtype=torch.float64)
    expected = [[math.exp(1.25)], [math.exp(-0.75)]]
    torch.testing.assert_close(TARGETS["exp_sine"].f(x), torch.tensor(expected, dtype=torch.float64))
    assert TARGETS["xor"].f(x).flatten().tolist() == [0.5, -0.5]


def test_a_seed_draws_other_points_to_train_on_and_the_same_to_test_on() -> None:
    one, same, other = (draw_points("polar", 10, 10, 0.1, seed) for seed in (1, 1, 2))
    assert torch.equal(one.train_y, same.train_y)
    assert not torch.equal(one.train_x, other.train_x)
    assert torch.equal(one.test_x, other.test_x)
    assert (one.train_y - TARGETS["polar"].f(one.train_x)).std() > 0.03  # noise, but none on the test
    assert torch.equal(one.test_y, TARGETS["polar"].f(one.test_x))


def test_an_unknown_function_is_refused() -> None:
    with pytest.raises(UserError, match=r"^dataset\.target=sinus: unknown function; expected one of sine, "):
        draw_points("sinus", 10, 10, 0.0, 1)


def test_a_csv_is_read_by_its_names(tmp_path: Path) -> None:
    path = table(tmp_path, "a,b (m),c\n" + "".join(f"{i},{2 * i},{3 * i}\n" for i in range(10)))
    points = read_points(path)
    assert (points.inputs, points.outputs) == (("a", "b_m_"), ("c",))
    assert (len(points.train_x), len(points.test_x)) == (8, 2)
    rows = torch.cat([torch.cat([points.train_x, points.train_y], 1), torch.cat([points.test_x, points.test_y], 1)])
    assert sorted(rows.tolist()) == [[i, 2 * i, 3 * i] for i in range(10)]
    assert read_points(path, ["c"], ["b_m_", "a"]).train_y.shape == (8, 2)


def test_an_npz_may_bring_its_own_test(tmp_path: Path) -> None:
    x, y = np.arange(6.0), np.arange(12.0).reshape(6, 2)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    points = read_points(tmp_path / "a.npz", test_fraction=0.5)
    assert (points.inputs, points.outputs, len(points.train_x)) == (("x0",), ("y0", "y1"), 3)
    np.savez(tmp_path / "b.npz", x=x, y=y, x_test=x[:2], y_test=y[:2])
    points = read_points(tmp_path / "b.npz")
    assert (len(points.train_x), points.test_y.tolist()) == (6, y[:2].tolist())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n", "expected a row of names and rows of numbers"),
        ("a,a\n1,2\n", "must name each column once; it is a,a"),
        ("a\n1\n", "has the column a alone"),
        ("a,b\n1,2\n3\n", "row 3 has 1 values for 2 columns"),
        ("a,b\n1,2\n3,x\n", "row 3, column b: 'x' is no finite number"),
        ("a,b\n1,nan\n", "row 2, column b: 'nan' is no finite number"),
        ("a,b\n1,2\n", "would leave 1 to train on and 0 to test on"),
    ],
)
def test_bad_tables_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_points(table(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_files_and_names_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path, "alpha,beta\n" + "1,2\n" * 9)
    cases: Any = (
        ((tmp_path / "no.csv",), "no such file"),
        ((path, ["alhpa"]), r"dataset\.inputs=alhpa: no column .* alpha"),
        ((path, ["beta"]), "beta: a column is an input or an output"),
        ((path, None, ["alpha", "beta"]), "no column left"),
    )
    for arguments, message in cases:
        with pytest.raises(UserError, match=message):
            read_points(*arguments)
    np.savez(tmp_path / "c.npz", x=np.zeros(3))
    with pytest.raises(UserError, match=r"holds x; expected x and y"):
        read_points(tmp_path / "c.npz")
    (tmp_path / "d.npz").write_bytes(b"PK no archive")
    with pytest.raises(UserError, match="cannot be read"):
        read_points(tmp_path / "d.npz")


def test_scalings_go_there_and_back() -> None:
    values = torch.tensor([[1.0, 7.0], [3.0, 7.0], [5.0, 7.0]], dtype=torch.float64)
    ranged = Scaling.to_interval(values.amin(0), values.amax(0), 2.0)
    assert ranged(values).tolist() == [[-1, 0], [0, 0], [1, 0]]  # a constant column loses its middle alone
    standard = Scaling.to_standard(values)
    assert standard(values)[:, 1].tolist() == [0, 0, 0]
    assert float(standard(values)[:, 0].std(correction=0)) == pytest.approx(1)
    for scaling in (ranged, standard, Scaling.none(2)):
        torch.testing.assert_close(scaling.back(scaling(values)), values)


def test_training_decides_the_scales() -> None:
    points = draw_points("exp_sine", 50, 20, 0.0, 1)
    data = module(points, val_fraction=0.4, normalize="standard", dtype=torch.float64)
    chosen = data.train_indices
    assert data.inputs == Scaling.to_standard(points.train_x[chosen], 0.5)
    assert data.outputs == Scaling.to_standard(points.train_y[chosen])
    assert data.spec.deviations == pytest.approx(tuple(points.train_y[chosen].std(0, correction=0).tolist()))
    assert module(points).inputs == Scaling.none(2)  # the range is known: [-1, 1]
    assert module(points, standardize=False).outputs == Scaling.none(1)
    assert data.spec.example(3).shape == (3, 2)
    assert data.spec.offers()["inputs"] == 2


def test_batches_are_scaled_points_in_an_order_of_the_seed() -> None:
    points = draw_points("polar", 20, 7, 0.0, 1)
    data = module(points, batch_size=8)
    batches = [data.on_after_batch_transfer(batch, 0) for batch in data.train_dataloader()]
    assert [x.shape for x, _ in batches] == [(8, 2), (8, 2)]
    for x, y in batches:
        assert x.dtype == torch.float32
        expected = TARGETS["polar"].f(data.inputs.back(x.double())).float()
        torch.testing.assert_close(data.outputs.back(y), expected, atol=1e-6, rtol=1e-5)
    (test,) = data.test_dataloader()
    torch.testing.assert_close(test[0], points.test_x.float())
    assert data.val_dataloader() == []
    assert data.sample(5, torch.zeros(1, dtype=torch.float64)).shape == (5, 2)


def test_a_checkpoint_says_the_columns() -> None:
    saved = module(draw_points("polar", 20, 10, 0.0, 1)).state_dict()
    assert (saved["inputs"], saved["outputs"]) == (["x", "y"], ["f0", "f1"])
    assert saved["scaling"]["inputs"] == {"offset": [0.0, 0.0], "factor": [1.0, 1.0]}

"""Learned functions as formulas, a small network as one expression."""

import json
from pathlib import Path
from typing import Any

import pytest
import sympy
import torch

from high_order_nets import cli, fit
from high_order_nets.data.points.targets import draw_points
from high_order_nets.errors import UserError
from high_order_nets.inference.attribution import trace, without_neuron
from high_order_nets.inference.symbolic import LIBRARY, read_function, read_network, rounded
from high_order_nets.models.mlp import HighOrderMLP
from high_order_nets.tasks.shrink import shrink

X = torch.linspace(0.5, 3.0, 80, dtype=torch.float64)
FUNCTIONS: dict[str, Any] = {
    "x": lambda x: 3 * x - 1,
    "x²": lambda x: 2 * (x - 1) ** 2,
    "exp": lambda x: 0.5 * torch.exp(-2 * x) + 1,
    "sin": lambda x: 4 * torch.sin(3 * x + 0.3),
    "|x|": lambda x: (x - 1.7).abs(),
    "x³": lambda x: (x - 1.2) ** 3,
    "√x": lambda x: torch.sqrt(x - 0.3),
    "log": lambda x: torch.log(2 * x - 0.5),
    "1/x": lambda x: 1 / (x - 0.2),
    "x⁴": lambda x: (x - 1.5) ** 4,
    "tanh": lambda x: torch.tanh(4 * x - 6),
    "gauss": lambda x: torch.exp(-((3 * x - 5) ** 2)),
}


QUICK = ("x", "x²", "exp", "sin")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in FUNCTIONS])
def test_functions_are_told_apart(name: str) -> None:
    formula = read_function(X, FUNCTIONS[name](X))
    assert formula.kind == name
    assert formula.r2 > 1 - 1e-6
    u = sympy.Symbol("u")
    values = sympy.lambdify(u, formula(u))(X.numpy())
    assert abs(values - FUNCTIONS[name](X).numpy()).max() < 1e-2


def test_the_library_is_tried_here() -> None:
    assert list(FUNCTIONS) == list(LIBRARY)


def test_a_constant_and_noise() -> None:
    assert read_function(X, torch.full_like(X, 2.0)).kind == ""
    assert sympy.simplify(read_function(X, torch.full_like(X, 2.0))(sympy.Symbol("u")) - 2) == 0
    assert read_function(X, torch.randn_like(X)).r2 < 0.5


def test_numbers_are_rounded() -> None:
    x = sympy.Symbol("x")
    assert str(rounded(0.99999 * x**2 + 1e-6 * sympy.sin(x) + 0.33333, 3)) == "x**2 + 0.333"


def network(**options: Any) -> HighOrderMLP:
    sizes: dict[str, Any] = {"in_width": 2, "out_width": 1, "hidden_width": 2, "n": 4, "dtype": torch.float64}
    return HighOrderMLP("polynomial", **(sizes | options))


@pytest.mark.parametrize("parameters", ["nodal", "spectral"])
def test_what_passes_a_network_is_traced(parameters: str) -> None:
    net, x = network(parameters=parameters, out_width=2), torch.rand(50, 2, dtype=torch.float64)
    first, last = trace(net, x)
    torch.testing.assert_close(first.values.sum(2) + first.constants, first.outputs)
    torch.testing.assert_close(last.values.sum(2) + last.constants, net(x).detach())
    torch.testing.assert_close(last.importance, last.values.std(0) / last.outputs.std(0)[:, None])
    share = first.values.std(0) / first.outputs.std(0)[:, None]
    torch.testing.assert_close(first.importance, share * last.importance.sum(0)[:, None])


def test_a_neuron_that_does_nothing_is_least_important_and_can_go() -> None:
    net, x = network(), torch.rand(50, 2, dtype=torch.float64)
    with torch.no_grad():
        net.layers[1].weight[:, :, 1] = 0
    assert float(trace(net, x)[1].importance[0, 1]) == 0
    small = without_neuron(net, 0, 1)
    torch.testing.assert_close(small(x), net(x))
    assert [layer.weight.shape for layer in small.layers] == [(1, 4, 2), (1, 4, 1)]


@pytest.mark.parametrize(
    "net", [network(residual=True), network(norm="layer"), network(base="silu"), torch.nn.Linear(2, 1).double()]
)
def test_other_networks_are_refused(net: torch.nn.Module) -> None:
    with pytest.raises(UserError, match="expected a HighOrderMLP without norms"):
        trace(net, torch.rand(5, 2, dtype=torch.float64))


@pytest.mark.slow
def test_the_formula_of_a_function_is_found() -> None:
    points = draw_points("exp_sine", 200, 200, 0.0, 1)
    x, y = points.train_x, points.train_y
    torch.manual_seed(1)
    found = fit(network(parameters="spectral"), x, y, steps=40, refine=[{"n": 8}])
    small = shrink(found, x, y, steps=100)
    assert [layer.weight.shape[0] for layer in small.net.layers] == [1, 1]  # type: ignore[union-attr]
    reading = read_network(small, x)
    ((first, second),), ((last,),) = reading.formulas
    assert (first.kind, second.kind, last.kind) == ("sin", "x²", "exp")
    (expression,) = reading.expressions.values()
    values = sympy.lambdify(sympy.symbols("x0 x1"), expression)(*points.test_x.T.numpy())
    assert float((torch.as_tensor(values) - points.test_y[:, 0]).abs().max()) < 0.05


@pytest.mark.slow
def test_a_run_is_read_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert cli.main(["train", "experiment=symbolic", "plots.enabled=false", "trainer=cpu", f"run_dir={run}"]) == 0
    assert json.loads((run / "metrics.json").read_text())["test_rmse"] < 1e-4
    capsys.readouterr()
    assert cli.main(["formula", f"ckpt={run}"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("sin, R²", "x², R²", "exp, R²", "f = 1.0"))
    assert (run / "plots" / "network.png").is_file()

"""A knob's rule names what the code knows: config/knobs.py, which does without torch, says it once more."""

from collections.abc import Collection

import pytest
import torch
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from pytorch_lightning.accelerators import AcceleratorRegistry

from high_order_nets.basis.domain import DOMAINS
from high_order_nets.basis.synapse import ALIGNS, BASES, PARAMETERS, SHARING
from high_order_nets.config.catalogue import files_of
from high_order_nets.config.knobs import RULES
from high_order_nets.config.rules import number, whole
from high_order_nets.conversion.convert import COUNTS
from high_order_nets.conversion.swaps import ACTIVATIONS, NORMS
from high_order_nets.data.images.module import NORMALIZE
from high_order_nets.data.images.policy import POLICIES
from high_order_nets.data.images.tensors import SPLITS
from high_order_nets.data.points import module as points
from high_order_nets.data.points.pictures import PHOTOGRAPHS
from high_order_nets.data.points.targets import TARGETS
from high_order_nets.data.split import SUBSETS
from high_order_nets.data.text.tokenizer import TOKENIZERS
from high_order_nets.layers import INITS
from high_order_nets.models import polynomial_mlp
from high_order_nets.models.blocks.funnel import FUNNELS
from high_order_nets.models.blocks.gates import GATES
from high_order_nets.models.blocks.ncp import RECURSIONS
from high_order_nets.models.blocks.pdc import SECOND_NORMS
from high_order_nets.models.likelihood import LIKELIHOODS
from high_order_nets.models.resnet import STARTS
from high_order_nets.models.transformer import POSITIONS, SOFTMAXES
from high_order_nets.models.vision import STEMS
from high_order_nets.names import WEIGHTS
from high_order_nets.optim.schedules import SCHEDULES
from high_order_nets.tasks import regression
from high_order_nets.tasks.burgers import RESIDUALS
from high_order_nets.tasks.classification import LOSSES

OURS: dict[str, Collection[str]] = {
    "domain": DOMAINS,
    "scale": {"auto"},
    "align": {"auto", *ALIGNS},
    "init": INITS,
    "parameters": PARAMETERS,
    "sharing": SHARING,
    "base": BASES,
    "rescale_planes": COUNTS,
    "stem": STEMS,
    "weights": WEIGHTS,
    "activation": {"auto", "none", "keep", *ACTIVATIONS},
    "loss": LOSSES,
    "block.recursion": RECURSIONS,
    "model_name.recursion": polynomial_mlp.RECURSIONS,
    "model_name.start": STARTS,
    "block.norm": SECOND_NORMS,
    "block.funnel": FUNNELS,
    "block.gate": GATES,
    "dataset.normalize": {*NORMALIZE, *points.NORMALIZE},
    "dataset.target": TARGETS,
    "dataset.photograph": PHOTOGRAPHS,
    "dataset.augment.policy": POLICIES,
    "dataset.split": SPLITS,
    "dataset.subset": SUBSETS,
    "dataset.tokenizer": TOKENIZERS,
    "model_name.positions": POSITIONS,
    "model_name.softmax": SOFTMAXES,
    "model_name.likelihood": {"auto", *LIKELIHOODS},
    "task.loss": regression.LOSSES,
    "task.residual": RESIDUALS,
    **{f"model_name.{part}.domain": DOMAINS for part in ("first", "inner", "last")},
}
"""By knob, the table in the code that its rule repeats."""
OTHERS: dict[str, Collection[str]] = {
    "precision": {"32-true", "64-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed"},  # Lightning's
    "matmul_precision": {"highest", "high", "medium"},  # torch's
    "trainer.accelerator": {"auto", "gpu", *AcceleratorRegistry.available_accelerators()},
    "trainer.devices": {"auto"},
    "trainer.num_nodes": {"auto"},
    "logger.wandb.mode": {"auto", "online", "offline", "disabled", "shared"},
    "optimizer.line_search_fn": {"strong_wolfe"},
    "plots.format": FigureCanvasAgg.get_supported_filetypes(),
}
"""By knob, what other libraries know; a rule may leave some of it out."""


@pytest.mark.parametrize("key", OURS)
def test_a_rule_names_all_that_the_code_knows(key: str) -> None:
    assert set(RULES[key].names) == set(OURS[key])


@pytest.mark.parametrize("key", OTHERS)
def test_a_rule_names_nothing_that_a_library_does_not_know(key: str) -> None:
    assert set(RULES[key].names) <= set(OTHERS[key])


def test_every_rule_that_lists_names_is_compared() -> None:
    assert {key for key, rule in RULES.items() if rule.names} == OURS.keys() | OTHERS.keys()


@pytest.mark.parametrize(("group", "names"), [("norm", NORMS), ("scheduler", [*SCHEDULES, "plateau"])])
def test_a_group_has_a_file_for_all_that_the_code_knows(group: str, names: Collection[str]) -> None:
    files = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in files_of(group))
    assert {file["name"] for file in files} == {*names}


def test_torch_takes_every_matmul_precision() -> None:
    before = torch.get_float32_matmul_precision()
    for name in RULES["matmul_precision"].names:
        torch.set_float32_matmul_precision(name)
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        ("[1, inf)", [1, 10**9], [0, float("inf"), float("nan"), True, "1", None]),
        ("(0, 1]", [1e-9, 1], [0, 1.1, -1]),
        ("[0, 1)", [0, 0.5], [1, -0.1]),
        ("[1e-6, 1e6]", [1e-6, 1e6], [9e-7, 1.1e6]),
    ],
)
def test_an_interval_has_the_ends_that_it_shows(interval: str, inside: list, outside: list) -> None:
    assert all(number(interval).holds(value) for value in inside)
    assert not any(number(interval).holds(value) for value in outside)


def test_a_whole_number_is_no_float() -> None:
    assert whole("[1, inf)").holds(2)
    assert not whole("[1, inf)").holds(2.0)

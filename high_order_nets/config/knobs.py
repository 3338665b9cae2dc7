"""What each knob may be beyond the type of its default, and which go together."""

import math
from typing import Any

from .. import targets
from ..errors import UserError, nearest, show
from ..names import WEIGHTS, layer_name
from ..settings import ABSENT, Config, at, validates
from . import places
from .functions import check_functions
from .keeping import check_kept
from .own_code import CALLBACKS, CODE
from .recipes import check_recipe
from .refinement import PARTS, check_refinement
from .rules import NAME, NAMES, NULL, Rule, is_number, is_whole, number, whole, word
from .tuning import TUNING, check_tuning

_TAGS = Rule(
    "a list of words without commas, such as [baseline,small]",
    lambda value: isinstance(value, list) and all(isinstance(tag, str) and tag and "," not in tag for tag in value),
)
_TEXT = Rule("text", lambda value: isinstance(value, str))
_SIZES = Rule(
    "a list of whole numbers of at least 1, such as [5,10]",
    lambda value: isinstance(value, list) and all(is_whole(part) and part >= 1 for part in value),
)
_BETAS = Rule(
    "two numbers in [0, 1), such as [0.9, 0.99]",
    lambda value: isinstance(value, list) and len(value) == 2 and all(is_number(b) and 0 <= b < 1 for b in value),
)
_PARTS = Rule(
    "parts of max_epochs in (0, 1), such as [0.5, 0.8]",
    lambda value: isinstance(value, list) and all(is_number(part) and 0 < part < 1 for part in value),
)
_CHANNELS = Rule("1 or 3", lambda value: is_whole(value) and value in (1, 3))
_URLS = Rule(
    "a list of addresses such as [https://example.org/a.zip]",
    lambda value: isinstance(value, list) and all(str(url).startswith(("http://", "https://")) for url in value),
)
_RULES = Rule(
    "patterns of module names with options, such as {layer1.*:{sharing:synapse}}",
    lambda value: isinstance(value, dict) and all(isinstance(own, dict) for own in value.values()),
)
_COUNTS = Rule("whole numbers of at least 1, such as [4]", lambda value: _SIZES.holds(value) and bool(value))
_FACTORS = Rule(
    "numbers of at least 0, such as [1,4,16]",
    lambda value: isinstance(value, list) and bool(value) and all(is_number(part) and part >= 0 for part in value),
)
_STAGES = Rule(
    "four whole numbers of at least 1, such as [2,2,1,1]", lambda value: _SIZES.holds(value) and len(value) == 4
)
ACTIVATIONS = (
    *("none", "keep", "auto", "relu", "relu6", "leaky_relu", "silu", "gelu"),
    *("elu", "selu", "celu", "hardswish", "hardtanh", "tanh", "prelu", "softplus", "mish"),
)

DOMAINS = ("extrapolate", "linear", "slopes", "clamp", "tanh", "mirror")
TARGETS = ("sine", "chirp", "runge", "kink", "step", "exp_sine", "xor", "peaks", "polar", "waves")
PHOTOGRAPHS = ("china", "flower")

# A knob that is not here must have the type of its default in conf/.
RULES: dict[str, Rule] = {
    "n": whole("[1, inf)"),
    "segments": whole("[1, inf)"),
    "scale": number("[1e-6, 1e6]") | word("auto"),
    "align": word("auto", "none", "layer", "channel", "batch"),
    "periodicity": number("(0, inf)") | NULL,
    "domain": word(*DOMAINS),
    "init": word("linear", "mixed", "relu", "silu", "variance_preserving", "constant_random", "uniform"),
    "parameters": word("nodal", "spectral"),
    "sharing": word("synapse", "channel", "deviation") | whole("[1, inf)"),
    "rank": whole("[0, inf)"),
    "base": word("silu", "relu", "gelu", "tanh", "identity") | NULL,
    "input_dropout": number("[0, 1)"),
    "input_noise": number("[0, inf)"),
    "width": number("(0, inf)"),
    "rescale_planes": number("(0, inf)") | word("match", "match_reduced"),
    "drop_path": number("[0, 1)") | NULL,
    "stem": word("auto", "cifar", "cifar2", "imagenet"),
    "activation": word(*ACTIVATIONS),
    "weights": word(*WEIGHTS),
    "skip": NAMES | NAME,
    "rules": _RULES,
    "loss": word("cross_entropy", "mse") | CODE,
    "label_smoothing": number("[0, 1)"),
    "max_epochs": whole("[1, inf)"),
    "limit_batches": whole("[1, inf)") | NULL,
    "batch_size": whole("[1, inf)"),
    "accumulate": whole("[1, inf)"),
    "learning_rate": number("(0, inf)") | NULL,
    "weight_decay": number("[0, inf)") | NULL,
    "gradient_clip_val": number("[0, inf)"),
    "warmup_epochs": number("[0, inf)"),
    "early_stopping": whole("[1, inf)") | NULL,
    "ema.decay": number("(0, 1)") | NULL,
    "clamp_weights": number("(0, inf)") | NULL,
    "callbacks": CALLBACKS,
    "epochs_per_layer": whole("[1, inf)"),
    "checkpoint.every_n_steps": whole("[1, inf)") | NULL,
    "checkpoint.keep": whole("[1, inf)") | NULL,
    "refine.epochs": _SIZES,
    "refine.n": _SIZES,
    "refine.segments": _SIZES,
    "refine.target_n": whole("[1, inf)") | NULL,
    "refine.target_segments": whole("[1, inf)") | NULL,
    "functions.lr": number("[0, inf)"),
    "functions.weight_decay": number("[0, inf)") | NULL,
    "functions.deviation_decay": number("[0, inf)"),
    "functions.frozen": number("[0, 1)"),
    "functions.until": number("(0, 1]"),
    "functions.smoothness": number("[0, inf)"),
    "functions.decay_by_degree": _FACTORS | NULL,
    "seed": whole("[0, 4294967295]"),
    "train_fraction": number("(0, 1]"),
    "val_fraction": number("[0, 1)"),
    "num_workers": whole("[0, inf)"),
    "precision": word("32-true", "16-mixed", "bf16-mixed", "64-true"),
    "matmul_precision": word("highest", "high", "medium"),
    "dataset.split": word("official", "dev"),
    "dataset.subset": word("random", "first"),
    "dataset.normalize": word("interval", "standard", "none"),
    "dataset.interval": number("(0, inf)"),
    "dataset.image_size": whole("[1, inf)") | NULL,
    "dataset.target": word(*TARGETS),
    "dataset.points": whole("[1, inf)"),
    "dataset.edge_points": whole("[1, inf)"),
    "dataset.test_points": whole("[1, inf)"),
    "dataset.noise": number("[0, inf)"),
    "dataset.path": NAME | NULL,
    "dataset.photograph": word(*PHOTOGRAPHS),
    "dataset.size": whole("[1, 4096]") | NULL,
    "dataset.channels": _CHANNELS | NULL,
    "dataset.inputs": NAMES | NULL,
    "dataset.outputs": NAMES | NULL,
    "dataset.test_fraction": number("(0, 1)"),
    "dataset.augment.crop": whole("[0, inf)"),
    "dataset.augment.rotation": number("[0, 180]"),
    "dataset.augment.cutout": whole("[0, inf)"),
    "dataset.augment.policy": word("none", "trivial", "rand"),
    "dataset.augment.policy_ops": whole("[1, inf)"),
    "dataset.augment.policy_magnitude": whole("[0, 30]"),
    "dataset.augment.erasing": number("[0, 1]"),
    "dataset.augment.mixup": number("[0, inf)"),
    "dataset.augment.cutmix": number("[0, inf)"),
    "dataset.augment.mix_probability": number("(0, 1]"),
    "dataset.augment.mix_until": number("(0, 1]"),
    "dataset.bptt": whole("[1, inf)"),
    "dataset.stride": whole("[1, inf)") | NULL,
    "dataset.tokenizer": word("word", "bpe"),
    "dataset.vocabulary": whole("[257, 1000000]"),
    "dataset.min_count": whole("[1, inf)"),
    "dataset.urls": _URLS,
    "optimizer.default_learning_rate": number("(0, inf)"),
    "optimizer.default_weight_decay": number("[0, inf)"),
    "optimizer.betas": _BETAS,
    "optimizer.update_period": whole("[1, inf)"),
    "optimizer.p": number("(0, inf)"),
    "optimizer.max_iter": whole("[1, inf)"),
    "optimizer.history_size": whole("[1, inf)"),
    "optimizer.tolerance_grad": number("[0, inf)"),
    "optimizer.tolerance_change": number("[0, inf)"),
    "optimizer.line_search_fn": word("strong_wolfe") | NULL,
    "scheduler.gamma": number("(0, inf)"),
    "scheduler.milestones": _PARTS,
    "scheduler.pct_start": number("(0, 1)"),
    "scheduler.patience": whole("[0, inf)"),
    "plots.every_n_epochs": whole("[1, inf)") | NULL,
    "plots.format": word("png", "pdf", "svg"),
    "plots.layers": whole("[1, inf)") | NAMES | NAME,
    "model_name.emsize": whole("[1, inf)"),
    "model_name.nhid": whole("[1, inf)"),
    "model_name.nlayers": whole("[1, inf)"),
    "model_name.nhead": whole("[1, inf)"),
    "model_name.dropout": number("[0, 1)"),
    "model_name.positions": word("learned", "rotary"),
    "model_name.softmax": word("full", "adaptive"),
    "model_name.cutoffs": _SIZES | NULL,
    "model_name.latent": whole("[1, inf)"),
    "model_name.hidden_channels": whole("[1, inf)"),
    "model_name.stages": whole("[1, 16]"),
    "model_name.likelihood": word("auto", "bernoulli", "gaussian"),
    "model_name.hidden_width": whole("[1, inf)"),
    "model_name.hidden_layers": whole("[0, inf)"),
    "model_name.coordinates.rotations": whole("[1, inf)"),
    "model_name.coordinates.waves": whole("[0, inf)"),
    "model_name.coordinates.deviation": number("(0, inf)"),
    "model_name.omega": number("(0, inf)"),
    **{f"{part}.layer_type": NAME | NULL for part in PARTS},
    **{f"{part}.n": whole("[1, inf)") | NULL for part in PARTS},
    **{f"{part}.segments": whole("[1, inf)") | NULL for part in PARTS},
    **{f"{part}.scale": number("[1e-6, 1e6]") | NULL for part in PARTS},
    **{f"{part}.domain": word(*DOMAINS) | NULL for part in PARTS},
    "task.loss": word("mse", "l1", "huber") | CODE,
    "task.loss_scale": number("(0, inf)"),
    "task.beta": number("[0, inf)"),
    "task.residual": word("upwind", "pointwise"),
    "task.cells": _COUNTS,
    "task.edge_weight": number("(0, inf)"),
    "measure.degree": whole("[0, inf)"),
    "tags": _TAGS,
    "notes": _TEXT | NULL,
    "model_name.recursion": word("ccp", "ncp"),
    "model_name.degrees": _COUNTS,
    "model_name.start": word("kaiming", "torch"),
    "model_name.layers": _STAGES,
    "model_name.planes": _STAGES,
    "block.before": whole("[0, inf)"),
    "block.after": whole("[0, inf)"),
    "block.degree": whole("[2, inf)"),
    "block.recursion": word("ccp", "ncp", "ncp_skip"),
    "block.ranks": _STAGES | NULL,
    "block.norm": word("batch", "instance"),
    "block.funnel": word("none", "product", "sum"),
    "block.gate": word("none", "quadratic", "se"),
    "block.reduction": whole("[1, inf)"),
    **places.RULES,
    **TUNING,
}


def check_values(config: Config, reference: Config, known: list[str]) -> None:
    """Refuse values of `config` that break a rule, differ in type from `reference` or are not in it at all."""
    for key, rule in RULES.items():
        if (value := at(config, key)) is not ABSENT:
            rule.check(key, value)
    _check_like(config, reference, "", known)
    _check_together(config)


def expected(key: str, default: Any) -> str:
    """Say in words what a knob may be: its rule, or the type of its default."""
    return RULES[key].words if key in RULES else _kind(default)


def check_value(name: str, key: str, value: Any, default: Any) -> None:
    """Refuse a value, given by the name, that breaks the rule of a knob or is not like its default."""
    if key in RULES:
        RULES[key].check(name, value)
    elif not _is_like(value, default):
        raise UserError(f"{name}={show(value)}: expected {expected(key, default)}, as its default {show(default)}")


def _check_like(value: Any, default: Any, key: str, known: list[str]) -> None:
    if key in RULES:  # checked already
        return
    if isinstance(default, dict) and isinstance(value, dict):
        for name in {**value, **default}:
            path = f"{key}.{name}" if key else str(name)
            if name not in default:
                raise UserError(f"{path}={show(value[name])}: unknown key {path}{nearest(path, known)}")
            if name not in value:
                raise UserError(f"{path}: cannot be left out")
            _check_like(value[name], default[name], path, known)
    elif isinstance(default, dict) and isinstance(value, bool) and (flat := key.rpartition(".")[2]) in known:
        raise UserError(f"{key}={show(value)}: {key} has keys of its own; did you mean {flat}={show(value)}?")
    else:
        check_value(key, key, value, default)


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(default, list) and isinstance(value, list):
        return not default or all(_is_like(part, default[0]) for part in value)
    if isinstance(default, float):
        return is_number(value)
    if isinstance(default, int) and not isinstance(default, bool):
        return is_whole(value)
    if default is None:
        return not isinstance(value, float) or math.isfinite(value)
    return isinstance(value, type(default))


def _kind(default: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list", dict: "keys"}
    return names.get(type(default), "a finite value")


def _check_together(config: Config) -> None:
    layer = config["layer_type"]
    pieces = layer.get("segments", 1)
    if str(layer["_target_"]).endswith(".ContinuousPiecewise") and layer["n"] < 2 <= pieces:
        raise UserError(f"n={layer['n']}: continuous pieces meet at shared nodes, so segments={pieces} needs n >= 2")
    if config["scheduler"]["name"] == "plateau" and config["warmup_epochs"] > 0:
        raise UserError(f"warmup_epochs={config['warmup_epochs']}: scheduler=plateau has none; take cosine or none")
    if config["early_stopping"] and not validates(config):
        raise UserError(f"early_stopping={config['early_stopping']}: needs a validation split; add val_fraction=0.1")
    if (dataset := config["dataset"]).get("stride") and dataset["stride"] > dataset["bptt"]:
        raise UserError(f"dataset.stride={dataset['stride']}: may be dataset.bptt={dataset['bptt']} at most")
    if config["layer_by_layer"] and config["early_stopping"]:
        raise UserError(f"early_stopping={config['early_stopping']}: would end in the middle of layer_by_layer=true")
    if config["layer_by_layer"] and config["choices"]["trainer"] == "ddp":
        raise UserError("layer_by_layer=true: frozen stages do not go with trainer=ddp; take trainer=gpu or cpu")
    if not _ordinary(config["block"]) and not str(config["model_name"]["_target_"]).startswith(targets.RESNETS):
        chosen = config["choices"]
        raise UserError(
            f"block={chosen['block']}: model_name={chosen['model_name']} has no blocks to choose; take pinet18, "
            "pinet50, resnet10 or resnet10_small"
        )
    check_recipe(config)
    check_refinement(config, config["refine"])
    check_functions(config, config["functions"])
    places.check(config)
    check_kept(config)
    check_tuning(config)
    check_dimensions(config, "layer_type", config["choices"]["layer_type"])


def check_dimensions(config: Config, name: str, layer_type: str) -> None:
    """Refuse a layer type, given by the name, that is for convolutions of other dimensions than the data have."""
    family, dimensions = layer_name(layer_type)
    if dimensions not in ("", "2d") and config["dataset"].get("kind", "images") == "images":
        raise UserError(f"{name}={layer_type}: images have two dimensions; nearest valid name: {family}2d")


def _ordinary(block: Config) -> bool:
    """Say whether the block is the one that all ResNets have."""
    ordinary = {"name": "residual", "gate": "none", "funnel": "none", "last": True}
    return all(block.get(key, value) == value for key, value in ordinary.items())

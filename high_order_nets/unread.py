"""Which knobs have no effect on a run: named to whoever typed them, and no reason for one more job of a sweep."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from . import targets
from .errors import show
from .paths import conf_dir
from .settings import (
    ABSENT,
    DEBUG_EPOCHS,
    DEBUG_IMAGES,
    KNOB,
    Config,
    at,
    has_own_test,
    has_own_validation,
    is_debug,
    named_in,
    shares_functions,
)

FUNCTIONS = (
    *("periodicity", "domain", "init", "parameters", "sharing", "rank", "base", "alpha"),
    *("input_dropout", "input_noise", "rescale_output", "align", "clamp_weights", "functions"),
)
"""Knobs of layers with functions on their connections that no file of layer_type/ passes on."""
STEMS = ("resnet", "resnext", "densenet")
"""The networks that take another stem; all others have one of their own."""


def _layer_types(config: Config) -> list[Config]:
    """Give the layer type, and those that rules name."""
    return [config["layer_type"], *({} if makes_its_layers(config) else config.get("layer_types", {})).values()]


def _neurons(config: Config) -> set[str]:
    return {each.get("neuron", "sum") for each in _layer_types(config) if targets.is_basis(each["_target_"])}


def _standard(config: Config) -> bool:
    return all(each["_target_"] is None for each in _layer_types(config))


def _lbfgs(config: Config) -> bool:
    return str(config["optimizer"].get("_target_")).endswith(".LBFGS")


def _no_synapse(config: Config) -> bool:
    return not _neurons(config)


def _own_stem(config: Config) -> bool:
    """Say whether `stem` is left unread; the stems of 3×3 are refused then."""
    return config["stem"] in ("auto", "imagenet") and not any(
        name in str(config["model_name"]["_target_"]) for name in STEMS
    )


def makes_its_layers(config: Config) -> bool:
    """Say whether the network is made of layers with functions, and none is converted."""
    return str(config["model_name"]["_target_"]).endswith(".high_order_mlp")


def _reconstructs(config: Config) -> bool:
    return str(config["task"].get("name")).endswith("autoencoder")


def _no_waves(config: Config) -> bool:
    return at(config, "model_name.coordinates.waves") == 0


def _text(config: Config) -> bool:
    return config["dataset"].get("kind") == "text"


MADE_OF_LAYERS = ("width", "rescale_planes", "skip", "rules", "rank", "linear_output", "pool_function", "weights")
"""Knobs of networks that are converted, and not made of layers with functions."""
MIXED = ("dataset.augment.mix_probability", "dataset.augment.mix_until")
"""Knobs of batches that are mixed."""
RANDAUGMENT = ("dataset.augment.policy_ops", "dataset.augment.policy_magnitude")
DECAYS = ("functions.weight_decay", "functions.deviation_decay")
OF_SHARED = ("functions.lr", "functions.weight_decay", "functions.frozen", "functions.until")
"""Knobs of functions that connections share; the price of their bends is refused where there are none."""
OWN_LOSS = ("language", "regression", "implicit_image", "burgers")
"""Tasks that do not read the flat knobs of the loss."""
CONDITIONS: tuple[tuple[tuple[str, ...], str, Callable[[Config], bool]], ...] = (
    (FUNCTIONS, "layer_type", _no_synapse),
    (("skip", "rules", "linear_output", "pool_function", "weights"), "layer_type", _standard),
    (("alpha",), "layer_type", lambda config: "product" not in _neurons(config)),
    (("parameters",), "layer_type", lambda config: _neurons(config) == {"product"}),
    (("functions.deviation_decay",), "sharing", lambda config: "deviation" not in named_in(config, "sharing")),
    (OF_SHARED, "sharing", lambda config: not shares_functions(config)),
    (("linear_output",), "skip", lambda config: "head" in config["skip"]),
    (("stem",), "model_name", _own_stem),
    (MADE_OF_LAYERS, "model_name", makes_its_layers),
    (("model_name.first", "model_name.inner", "model_name.last"), "layer_type", _no_synapse),
    (("augment", "num_workers", "channels_last"), "dataset", lambda c: c["dataset"].get("kind") == "points"),
    (("task.cells",), "task.residual", lambda config: config["task"].get("residual") == "pointwise"),
    (("dataset.photograph",), "dataset.path", lambda c: c["dataset"].get("path") is not None),
    (("model_name.coordinates.deviation",), "model_name.coordinates.waves", _no_waves),
    (("model_name.hidden_width",), "model_name.hidden_layers", lambda c: c["model_name"].get("hidden_layers") == 0),
    (("block.reduction",), "block.gate", lambda config: config["block"].get("gate") == "none"),
    (("epochs_per_layer",), "layer_by_layer", lambda config: not config["layer_by_layer"]),
    (("loss", "label_smoothing", "channels_last"), "task", _reconstructs),
    (("loss", "label_smoothing"), "task", lambda config: config["task"].get("name") in OWN_LOSS),
    (("ema.best",), "ema.decay", lambda config: at(config, "ema.decay") in (None, ABSENT)),
    (("label_smoothing",), "loss", lambda config: config["loss"] != "cross_entropy"),
    (("weight_decay", "optimizer.default_weight_decay", *DECAYS), "optimizer", _lbfgs),
    (("optimizer.default_weight_decay",), "weight_decay", lambda config: config["weight_decay"] is not None),
    (("optimizer.default_learning_rate",), "learning_rate", lambda config: config["learning_rate"] is not None),
    (
        ("scheduler.pct_start", "scheduler.milestones", "scheduler.gamma"),
        "warmup_epochs",
        lambda config: config["warmup_epochs"] >= config["max_epochs"],
    ),
    (("augment", "channels_last", "stem"), "dataset", _text),
    (("val_fraction",), "dataset", has_own_validation),
    (("dataset.test_fraction",), "dataset", has_own_test),
    (("dataset.vocabulary",), "dataset.tokenizer", lambda config: config["dataset"].get("tokenizer") == "word"),
    (("dataset.min_count",), "dataset.tokenizer", lambda config: config["dataset"].get("tokenizer") == "bpe"),
    (("dataset.augment",), "augment", lambda config: not config["augment"]),
    (
        MIXED,
        "dataset.augment.cutmix",
        lambda c: not (at(c, "dataset.augment.cutmix") or at(c, "dataset.augment.mixup")),
    ),
    (RANDAUGMENT, "dataset.augment.policy", lambda config: at(config, "dataset.augment.policy") != "rand"),
    (("init_from.partial",), "init_from.path", lambda config: config["init_from"]["path"] is None),
    (("dataset.normalize", "dataset.interval"), "pretrained", lambda config: config["pretrained"]),
    (("dataset.subset",), "train_fraction", lambda c: c["train_fraction"] == 1 and c["val_fraction"] == 0),
    (("predictions",), "task", lambda config: config["task"].get("name") not in ("classification", "language")),
    (("matmul_precision",), "precision", lambda config: config["precision"] == "64-true"),
    (("max_epochs",), "trainer", lambda config: is_debug(config) and config["max_epochs"] != DEBUG_EPOCHS),
    (("limit_batches",), "trainer", lambda config: is_debug(config) and config["limit_batches"] not in (None, 1)),
    (("batch_size",), "trainer", lambda config: is_debug(config) and config["batch_size"] > DEBUG_IMAGES),
    (
        ("early_stopping", "epochs_per_layer", "refine", "unfreeze_at", "scheduler.factor", "scheduler.patience"),
        "trainer",
        is_debug,
    ),
    (("plots.layers", "plots.every_n_epochs"), "plots.enabled", lambda config: not config["plots"]["enabled"]),
)
"""Knobs that the program itself reads: by which setting, and when, they are left unread.

With a name go all knobs below it: with `dataset.augment`, `dataset.augment.crop`.
"""


def unread(config: Config, composed: str) -> dict[str, str]:
    """Return the knobs that a resolved config does not depend on, with the setting that leaves them unread.

    `composed` is the same config before it was resolved, as text: a knob that nothing but files of groups read, `${n}`,
    is read where the chosen ones do.
    """
    left = sorted(_passed_on() - set(KNOB.findall(composed)))
    found = {key: _setting(config, "layer_type") for key in left}
    for keys, reader, holds in CONDITIONS:
        if holds(config):
            there = (key for key in keys if key not in found and at(config, key) is not ABSENT)
            found |= {key: _setting(config, reader) for key in there}
    return found


def record(config: Config, composed: str) -> list[str]:
    """Name the knobs that a run does not depend on, for its config; plots change no result anyway."""
    return [key for key in unread(config, composed) if not key.startswith("plots.")]


def older(config: Config) -> list[str]:
    """Return the record of a run of an older version, which left none: as far as its resolved config tells."""
    try:
        layer = config["layer_type"]
        read = ["scale", *(key for key in ("n", "segments") if key in layer and layer[key] == config[key])]
        return record(config, " ".join(f"${{{key}}}" for key in read))
    except (KeyError, TypeError, AttributeError):  # a config of too long ago, or of someone else
        return []


def told(typed: Iterable[str], jobs: Iterable[Mapping[str, str]]) -> list[str]:
    """Name the typed knobs that none of the jobs reads, a line each."""
    per_job = list(jobs)
    notes = []
    for key in dict.fromkeys(typed):
        readers = [_reader(key, job) for job in per_job]
        if all(readers):
            notes.append(f"{key} is not read by {' or '.join(dict.fromkeys(map(str, readers)))}")
    return notes


def _reader(key: str, job: Mapping[str, str]) -> str | None:
    return next((reader for name, reader in job.items() if key == name or key.startswith(f"{name}.")), None)


@cache
def _passed_on() -> set[str]:
    """Name the knobs that this program reads through its files of layer_type/ alone."""
    files = (conf_dir() / "layer_type").glob("*.yaml")
    return {knob for file in files for knob in KNOB.findall(file.read_text(encoding="utf-8"))}


def _setting(config: Config, key: str) -> str:
    return f"{key}={show(config['choices'].get(key, at(config, key)))}"

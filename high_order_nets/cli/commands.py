"""The commands: each reads its words, and imports what does the work only when they are right."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from ..config.knobs import RULES
from ..config.overrides import literals
from ..config.rules import number, whole
from ..data.images.walk import images_below
from ..errors import UserError, nearest
from ..run.layout import TESTED, USED_OF, WEIGHTS, locate
from ..terminal import PROGRAM, note, show
from . import completion, manual


@dataclass(frozen=True)
class Command:
    """Hold a subcommand: what runs it (arguments to exit status), how it is written and what it does."""

    run: Callable[[list[str]], int]
    usage: str
    summary: str


def show_help(argv: Sequence[str]) -> int:
    """Show all, or what a command that is named on the line takes."""
    name = next((word for word in argv if word in COMMANDS), None)
    usages = {each: (f"{PROGRAM} {command.usage}", command.summary) for each, command in COMMANDS.items()}
    if name is None:
        _show_fitted(manual.text(list(usages.values())))
    else:
        _show_fitted(manual.training(usages[name]) if name == "train" else manual.usage(usages[name]))
    return 0


def _list(argv: list[str]) -> int:
    if len(argv) != 1 or argv[0] not in manual.LISTS:
        kinds = ", ".join(manual.LISTS)
        raise UserError(f"list {' '.join(argv)}: expected one of {kinds}{nearest(' '.join(argv), manual.LISTS)}")
    _show_fitted(manual.listing(argv[0]))
    return 0


def _completion(argv: list[str]) -> int:
    match argv:
        case ["of", line]:  # what the scripts call
            usages = {name: command.usage for name, command in COMMANDS.items()}
            sys.stdout.writelines(f"{word}\n" for word in completion.candidates(line, usages))
        case [shell] if shell in completion.SHELLS:
            sys.stdout.write(completion.SHELLS[shell])
        case _:
            typed, shells = " ".join(argv), completion.SHELLS
            raise UserError(f"completion {typed}: expected one of {', '.join(shells)}{nearest(typed, shells)}")
    return 0


def _show_fitted(text: str) -> None:
    """Show a text, broken between words where a console is narrower; a pipe has no edge."""
    fixed = sys.stdout.isatty() or "COLUMNS" in os.environ
    show(manual.fitted(text, shutil.get_terminal_size().columns) if fixed else text)


def _test(argv: list[str]) -> int:
    values = literals(argv, ("ckpt", "predictions", "test_flip", "out"))
    checkpoint = locate(_checkpoint("test", values), TESTED)
    each, flip = (_said(values, key) for key in ("predictions", "test_flip"))
    out = Path(values["out"]).expanduser() if values.get("out") else None
    if out is not None:
        import_module("high_order_nets.sweeps.sweep").make_folder(out)
    _runner().test(checkpoint, out, each=each, flip=flip)
    return 0


def _said(values: Mapping[str, str], key: str) -> bool:
    """Return whether `key=true` is among the words."""
    value = values.get(key, "false")
    if value not in ("true", "false"):
        raise UserError(f"{key}={value}: expected true or false")
    return value == "true"


def _plot(argv: list[str]) -> int:
    values = literals(argv, ("ckpt", "layers", "out", "format"))
    if not values.get("ckpt"):
        raise UserError("plot: expected ckpt=PATH, a checkpoint or the folder of a run")
    redraw = import_module("high_order_nets.plots.redraw").redraw  # torch, only after every check
    layers = _layers(values["layers"]) if "layers" in values else None
    out = Path(values["out"]).expanduser() if values.get("out") else None
    form = values.get("format")
    if form is not None:
        RULES["plots.format"].check("format", form)
    show("\n".join(shlex.quote(str(path)) for path in redraw(Path(values["ckpt"]).expanduser(), layers, out, form)))
    return 0


def _layers(text: str) -> int | list[str]:
    """Read a number of layers or patterns of their names."""
    if not re.fullmatch(r"-?[0-9]+", text):
        return text.strip("[]").split(",")
    if int(text) < 1:
        raise UserError(f"layers={text}: expected a number of at least 1, or patterns of names such as layer1.*,fc")
    return int(text)


FORETELLING = {
    "tokens": whole("[0, inf)"),
    "temperature": number("[0, inf)"),
    "top_k": whole("[1, inf)"),
    "seed": RULES["seed"],
}
"""What may be said of the continuation of a text."""


def _predict(argv: list[str]) -> int:
    if any(argument.startswith("text=") for argument in argv):
        return _foretell(literals(argv, ("ckpt", "weights", "text", *FORETELLING)))
    keyed = [argument for argument in argv if argument.startswith(("ckpt=", "weights=", "out="))]
    values = literals(keyed, ("ckpt", "weights", "out"))
    checkpoint, weights = _checkpoint("predict", values), _weights(values)
    images = _images([Path(argument).expanduser() for argument in argv if argument not in keyed])
    out = Path(values["out"]).expanduser() if "out" in values else None
    if out is not None and (out.is_dir() or not out.parent.is_dir() or any(map(out.samefile, images * out.exists()))):
        raise UserError(f"out={values['out']}: expected a file in a folder that is there, and none of the images")
    from ..inference.predict import predict  # noqa: PLC0415 - torch only after every check

    done = predict(checkpoint, images, out, weights)
    show("\n".join(done.lines))
    for line in done.unreadable:
        note(line)
    return 1 if done.unreadable else 0


def _images(paths: Sequence[Path]) -> list[Path]:
    """Return the image files that are named, and those in folders that are."""
    if not paths:
        raise UserError('predict: expected image files or folders after ckpt=PATH, or text="A bit of text"')
    images = []
    for path in paths:
        if path.is_dir():
            found = images_below(path)
            if not found.images:
                raise UserError(f"{path}: no image in this folder; expected files such as x.png or x.jpg")
            if found.others:
                first, *more = found.others
                whole = f"{first} and {len(more):,} more are no images" if more else f"{first} is no image"
                note(f"{whole} and left out")
            images += found.images
        elif path.is_file():
            images.append(path)
        else:
            raise UserError(f"{path}: no such file; expected an image, or a folder of them")
    return images


def _foretell(values: Mapping[str, str]) -> int:
    checkpoint, weights = _checkpoint("predict", values), _weights(values)
    if not values["text"].strip():
        raise UserError("text=: empty; expected some words that something is to follow")
    numbers = {key: _number(values[key]) for key in FORETELLING if key in values}
    for key, value in numbers.items():
        FORETELLING[key].check(key, value)
    from ..inference import predict  # noqa: PLC0415 - torch only after every check

    tokens = numbers.pop("tokens", predict.TOKENS)
    show("\n".join(predict.foretell(checkpoint, values["text"], tokens, predict.Choice(**numbers), weights)))
    return 0


def _number(text: str) -> Any:
    """Read a number as YAML would; what is none is left for the rule to name."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _export(argv: list[str]) -> int:
    values = literals(argv, ("ckpt", "format", "out", "weights"))
    checkpoint, name, weights = _checkpoint("export", values), values.get("format", ""), _weights(values)
    if name not in manual.FORMATS:
        raise UserError(f"format={name}: expected one of {', '.join(manual.FORMATS)}{nearest(name, manual.FORMATS)}")
    from ..inference.export import export  # noqa: PLC0415 - torch only after every check

    done = export(checkpoint, name, Path(values["out"]).expanduser() if "out" in values else None, weights)
    written = shlex.quote(str(done.path))
    show(f"{written}: {done.gives} differ from the network's by at most {done.difference:.1e} on random {done.takes}")
    return 0


def _formula(argv: list[str]) -> int:
    values = literals(argv, ("ckpt", "out"))
    checkpoint = _checkpoint("formula", values)
    read = import_module("high_order_nets.training.formula").read_formula  # torch, only after every check
    lines, picture = read(checkpoint, Path(values["out"]).expanduser() if values.get("out") else None)
    show("\n".join([*lines, f"picture: {shlex.quote(str(picture))}"]))
    return 0


def _checkpoint(command: str, values: Mapping[str, str]) -> Path:
    """Return what `ckpt=` names: a file that train wrote, or a run's folder."""
    if not values.get("ckpt"):
        raise UserError(f"{command}: expected ckpt=PATH, a checkpoint, {WEIGHTS} or the folder of a run")
    checkpoint = Path(values["ckpt"]).expanduser()
    if not checkpoint.exists():
        raise UserError(f"ckpt={values['ckpt']}: no such file; expected a checkpoint that train wrote")
    return checkpoint


def _weights(values: Mapping[str, str]) -> str:
    """Return which weights of a run are meant: as they were trained, unless their average is."""
    weights = values.get("weights", "raw")
    if weights not in USED_OF:
        raise UserError(f"weights={weights}: expected one of {', '.join(USED_OF)}{nearest(weights, USED_OF)}")
    return weights


def _doctor(argv: list[str]) -> int:
    if argv:
        raise UserError(f"doctor {' '.join(argv)}: it takes no arguments")
    from . import doctor  # noqa: PLC0415

    lines, healthy = doctor.examine()
    _show_fitted("\n".join(lines))
    return 0 if healthy else 1


def _table(argv: list[str]) -> int:
    options = import_module("high_order_nets.sweeps.options").parse(argv)
    import_module("high_order_nets.sweeps.sweep").rebuild(options)
    return 0


def launcher() -> Any:
    """Import what reads `train`, and Hydra with it: `--help` and completion must not wait for it."""
    return import_module("high_order_nets.cli.launch")


def _runner() -> Any:
    """Import what trains, and torch with it: only after every check."""
    return import_module("high_order_nets.training.run")


COMMANDS = {
    "train": Command(
        lambda argv: launcher().train(argv),
        "train [key=value ...] [-m]",
        "train a network and test it; -m: every combination",
    ),
    "test": Command(
        _test, "test ckpt=PATH [predictions=true] [test_flip=true] [out=DIR]", "repeat the test of a checkpoint"
    ),
    "table": Command(
        _table, "table DIR ... [where=K=V] [sort=K] [top=N] [columns=K,K] [out=DIR]", "the table of runs and sweeps"
    ),
    "plot": Command(
        _plot,
        "plot ckpt=PATH [layers=N|a*,b*] [out=DIR] [format=pdf|svg]",
        "draw functions, ranges and curves of a run",
    ),
    "predict": Command(
        _predict,
        "predict ckpt=PATH [weights=ema] IMAGE|DIR ... [out=FILE.csv] | "
        'text="..." [tokens=N] [temperature=T] [top_k=K] [seed=S]',
        "name what a trained network sees in image files, or go on with a text",
    ),
    "export": Command(
        _export,
        f"export ckpt=PATH format={'|'.join(manual.FORMATS)} [weights=ema] [out=PATH]",
        "write a trained network for other programs, checked",
    ),
    "formula": Command(
        _formula, "formula ckpt=PATH [out=DIR]", "read a small regression out as a formula, and draw it"
    ),
    "doctor": Command(_doctor, "doctor", "show versions, devices, data and disk, and what to do about what is missing"),
    "list": Command(_list, f"list {'|'.join(manual.LISTS)}", "show the names there are"),
    "completion": Command(
        _completion, f"completion {'|'.join(completion.SHELLS)}", "print the script for completion by the tab key"
    ),
}

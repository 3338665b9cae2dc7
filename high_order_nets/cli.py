"""The command line `high-order-nets`: reads it, has it checked, and only then imports what does the work."""

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import Diverged, Interrupted, UserError
from .training import completion, manual
from .training.overrides import Arguments, literals, nearest, parse

if TYPE_CHECKING:  # Hydra takes half a second: not for `--help` and completion
    from .training.config import Plan
    from .training.job import Job

PROGRAM = "high-order-nets"


@dataclass(frozen=True)
class Command:
    """Hold a subcommand: what runs it (arguments to exit status), how it is written and what it does."""

    run: Callable[[list[str]], int]
    usage: str
    summary: str


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return _guarded(_dispatch, list(sys.argv[1:] if argv is None else argv))


def train(argv: Sequence[str] | None = None, **presets: str) -> int:
    """Run `train` from a script, with its presets (`dataset="mnist"`) unless the line says otherwise.

    Return the exit status. A preset other than the data set gives way to an experiment too.
    """
    typed = list(sys.argv[1:] if argv is None else argv)
    command = shlex.join(["python", sys.argv[0], *typed])
    return _guarded(lambda argv: _train(argv, presets, command), typed)


def _guarded(run: Callable[[list[str]], int], argv: list[str]) -> int:
    """Turn the errors that users can mend into one line."""
    try:
        return _help() if {"-h", "--help"} & set(argv) else run(argv)
    except UserError as error:
        return _fail(str(error), 2)
    except Diverged as error:
        return _fail(str(error), 1)
    except Interrupted as stop:
        return _fail(str(stop), int(stop.code or 0))
    except KeyboardInterrupt:
        return _fail("interrupted", 130)


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"{PROGRAM}: {_printable(' '.join(message.split()))}\n")
    return status


def _printable(text: str) -> str:
    """Take out what a terminal would obey: names come from files, and those may come from strangers."""
    return re.sub(r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f]", "�", text)


def _dispatch(argv: list[str]) -> int:
    if not argv:
        return _help()
    name, *rest = argv
    if name not in COMMANDS:
        raise UserError(f"{name}: unknown command{nearest(name, COMMANDS)}")
    return COMMANDS[name].run(rest)


def _help() -> int:
    usages = [(f"{PROGRAM} {command.usage}", command.summary) for command in COMMANDS.values()]
    _show(manual.text(usages))
    return 0


def _list(argv: list[str]) -> int:
    if len(argv) != 1 or argv[0] not in manual.LISTS:
        kinds = ", ".join(manual.LISTS)
        raise UserError(f"list {' '.join(argv)}: expected one of {kinds}{nearest(' '.join(argv), manual.LISTS)}")
    _show(manual.listing(argv[0]))
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


def _show(text: str) -> None:
    from rich.console import Console  # noqa: PLC0415 - not for completion

    Console(soft_wrap=True, highlight=False, markup=False, emoji=False).print(_printable(text))


def _test(argv: list[str]) -> int:
    values = literals(argv, ("ckpt",))
    checkpoint = _checkpoint("test", values)
    if checkpoint.is_dir():
        checkpoint = _tested(checkpoint)
    if checkpoint.suffix == ".safetensors":
        raise UserError(f"ckpt={checkpoint}: holds no settings of the test; name the run's folder or a checkpoint")
    _runner().test(checkpoint)
    return 0


def _tested(folder: Path) -> Path:
    """Find the checkpoint that a run has tested: the best by validation if there is one, else the last."""
    for name in ("best.ckpt", "last.ckpt"):
        if (folder / "checkpoints" / name).is_file():
            return folder / "checkpoints" / name
    raise UserError(f"ckpt={folder}: no checkpoint in it; expected the folder of a run")


def _plot(argv: list[str]) -> int:
    values = literals(argv, ("ckpt", "layers", "out"))
    if not values.get("ckpt"):
        raise UserError("plot: expected ckpt=PATH, a checkpoint or the folder of a run")
    redraw = import_module(f"{__package__}.training.redraw").redraw  # torch, only after every check
    layers = _layers(values["layers"]) if "layers" in values else None
    out = Path(values["out"]).expanduser() if values.get("out") else None
    _show("\n".join(map(str, redraw(Path(values["ckpt"]).expanduser(), layers, out))))
    return 0


def _layers(text: str) -> int | list[str]:
    """Read a number of layers or patterns of their names."""
    if not text.lstrip("-").isdigit():
        return text.strip("[]").split(",")
    if int(text) < 1:
        raise UserError(f"layers={text}: expected a number of at least 1, or patterns of names such as layer1.*,fc")
    return int(text)


def _predict(argv: list[str]) -> int:
    values = literals([argument for argument in argv if argument.startswith("ckpt=")], ("ckpt",))
    images = [Path(argument).expanduser() for argument in argv if not argument.startswith("ckpt=")]
    checkpoint = _checkpoint("predict", values)
    if not images:
        raise UserError("predict: expected image files after ckpt=PATH")
    if missing := [path for path in images if not path.is_file()]:
        raise UserError(f"{missing[0]}: no such file; expected an image")
    from .training.predict import predict  # noqa: PLC0415 - torch only after every check

    _show("\n".join(predict(checkpoint, images)))
    return 0


def _export(argv: list[str]) -> int:
    values = literals(argv, ("ckpt", "format", "out"))
    checkpoint, name = _checkpoint("export", values), values.get("format", "")
    if name not in manual.FORMATS:
        raise UserError(f"format={name}: expected one of {', '.join(manual.FORMATS)}{nearest(name, manual.FORMATS)}")
    from .training.export import export  # noqa: PLC0415 - torch only after every check

    done = export(checkpoint, name, Path(values["out"]).expanduser() if "out" in values else None)
    _show(f"{done.path}: logits differ from the network's by at most {done.difference:.1e} on random images")
    return 0


def _checkpoint(command: str, values: Mapping[str, str]) -> Path:
    """Return what `ckpt=` names: a file that train wrote, or a run's folder."""
    if not values.get("ckpt"):
        raise UserError(f"{command}: expected ckpt=PATH, a checkpoint, model.safetensors or the folder of a run")
    checkpoint = Path(values["ckpt"]).expanduser()
    if not checkpoint.exists():
        raise UserError(f"ckpt={values['ckpt']}: no such file; expected a checkpoint that train wrote")
    return checkpoint


def _doctor(argv: list[str]) -> int:
    if argv:
        raise UserError(f"doctor {' '.join(argv)}: it takes no arguments")
    from .training import doctor  # noqa: PLC0415

    lines, healthy = doctor.examine()
    _show("\n".join(lines))
    return 0 if healthy else 1


def _train(argv: list[str], presets: Mapping[str, str] | None = None, command: str | None = None) -> int:
    from .training import config  # noqa: PLC0415
    from .training.job import Job  # noqa: PLC0415

    arguments = parse(argv, presets)
    typed = command or shlex.join([PROGRAM, "train", *argv])
    if arguments.search and not arguments.show:
        return import_module(f"{__package__}.training.search").run(arguments)
    plan = config.plan(arguments)
    if plan.sweep_dir and not arguments.show:
        return _sweep(typed, arguments, plan, plan.sweep_dir)
    if plan.run_dir and not arguments.show:
        from .training.claims import finished  # noqa: PLC0415

        finished(plan.jobs[0], plan.run_dir)  # refuses another run's folder before Hydra writes anything there
    job = Job(typed)
    _run_hydra(job, arguments, plan)
    if job.error:
        raise job.error
    return 0


def _sweep(typed: str, arguments: Arguments, plan: "Plan", folder: Path) -> int:
    """Run the jobs that are missing, and end in the table, also where someone interrupts."""
    from .training.job import Job  # noqa: PLC0415

    sweep = import_module(f"{__package__}.training.sweep")  # rich's tables and matplotlib
    if plan.complete:
        sweep.claim(folder, plan.jobs, typed)
    try:
        _run_hydra(Job(typed, skip_finished=plan.complete), arguments, plan)
    except (KeyboardInterrupt, Interrupted):
        sweep.report(folder)
        raise
    return 0 if sweep.report(folder) else 1


def _table(argv: list[str]) -> int:
    outs = [argument.removeprefix("out=") for argument in argv if argument.startswith("out=")]
    folders = [Path(argument).expanduser() for argument in argv if not argument.startswith("out=")]
    if not folders or len(outs) > 1:
        raise UserError("table: expected folders of runs or sweeps and at most one out=DIR")
    import_module(f"{__package__}.training.sweep").rebuild(folders, Path(outs[0]).expanduser() if outs else None)
    return 0


def _runner() -> Any:
    """Import what trains, and torch with it: only after every check."""
    return import_module(f"{__package__}.training.run")


def _run_hydra(job: "Job", arguments: Arguments, plan: "Plan") -> None:
    """Hand the checked command line to Hydra, with its sweepers and launchers."""
    import hydra  # noqa: PLC0415
    from hydra.errors import HydraException  # noqa: PLC0415
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415

    from .training import config  # noqa: PLC0415

    flags = [*arguments.show, *(["--multirun"] if plan.sweep_dir and not arguments.show else [])]
    run = hydra.main(version_base="1.3", config_path=str(config.conf_dir()), config_name="config")(job)
    try:
        with _stage([PROGRAM, *flags, *plan.overrides]):
            run()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(config.one_line(error)) from error
    except OSError as error:  # a job keeps its own errors, so this is Hydra making the folder
        raise UserError(f"{error.filename}: the run's folder cannot be written: {error.strerror}") from error


@contextmanager
def _stage(argv: list[str]) -> Iterator[None]:
    """Set what Hydra reads: the command line, and the variable that makes it raise errors rather than print them."""
    key = "HYDRA_FULL_ERROR"
    typed, before = sys.argv, os.environ.get(key)
    sys.argv, os.environ[key] = argv, "1"
    try:
        yield
    finally:
        sys.argv = typed
        if before is None:
            del os.environ[key]
        else:
            os.environ[key] = before


COMMANDS = {
    "train": Command(_train, "train [key=value ...] [-m]", "train a network and test it; -m: every combination"),
    "test": Command(_test, "test ckpt=PATH", "repeat the test of a checkpoint"),
    "table": Command(_table, "table DIR ... [out=DIR]", "the table of the runs and sweeps in these folders"),
    "plot": Command(_plot, "plot ckpt=PATH [layers=N|a*,b*] [out=DIR]", "draw functions, ranges and curves of a run"),
    "predict": Command(_predict, "predict ckpt=PATH IMAGE ...", "name what a trained network sees in image files"),
    "export": Command(
        _export,
        f"export ckpt=PATH format={'|'.join(manual.FORMATS)} [out=PATH]",
        "write a trained network for other programs, checked",
    ),
    "doctor": Command(_doctor, "doctor", "show versions, devices, data and disk, and what to do about what is missing"),
    "list": Command(_list, f"list {'|'.join(manual.LISTS)}", "show the names there are"),
    "completion": Command(
        _completion, f"completion {'|'.join(completion.SHELLS)}", "print the script for completion by the tab key"
    ),
}

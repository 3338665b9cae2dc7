"""From the words after `train` to jobs: one, a sweep of them, or a search."""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from .. import allow
from ..config import compose, jobs
from ..config.checker import one_line
from ..config.compose import Plan
from ..config.overrides import Arguments, escaped, parse
from ..errors import Interrupted, UserError
from ..paths import conf_dir
from ..processes import PAGE, is_first, started
from ..run.claims import finished
from ..run.folder import planned
from ..terminal import PROGRAM, note, told_how_to_go_on
from .job import Job

SILENT = ("hydra.output_subdir=null", "hydra/job_logging=none")
"""What keeps Hydra from writing into a folder in which another process writes the same."""


def train(
    argv: list[str],
    presets: Mapping[str, str] | None = None,
    command: str | None = None,
    comparison: Sequence[str] = (),
) -> int:
    """Run what `train` is asked for; return the exit status. Presets, command and comparison are a script's own."""
    arguments = parse(argv, presets, comparison)
    check_started(arguments)
    typed = command or shlex.join([PROGRAM, *allow.flags(), "train", *argv])
    if arguments.search and not arguments.show:
        return import_module("high_order_nets.sweeps.search").run(arguments, typed)
    plan = compose.plan(arguments)
    if plan.whole and plan.sweep_dir and len(planned(plan.sweep_dir)) > len(plan.jobs):
        plan = plan.whole  # an older version has started all of them
    if arguments.show:
        _run_hydra(Job(typed), arguments, plan)
        return 0
    for line in plan.notes:
        note(line)
    if plan.sweep_dir:
        return _sweep(typed, arguments, plan, plan.sweep_dir)
    run_one(typed, arguments, plan)
    return 0


def check_started(arguments: Arguments) -> None:
    """Refuse what several processes that were started side by side cannot do: each would do it by itself."""
    if (found := started()) is None:
        return
    there = f"{found.by} has started {found.processes} processes"
    if arguments.multirun:
        raise UserError(f"-m: a sweep or search starts its runs itself, and {there}; see {PAGE}")
    if not any(line.startswith("hydra.run.dir=") for line in arguments.overrides):
        raise UserError(f"run_dir: {there}, which share a folder; name it, such as run_dir=outputs/mine")


def run_one(typed: str, arguments: Arguments, plan: Plan) -> Path:
    """Run the only job of a plan; return its folder."""
    assert plan.run_dir
    finished(plan.jobs[0], plan.run_dir)  # refuses another run's folder before Hydra writes anything there
    job = Job(typed, existed=plan.run_dir.exists())
    with told_how_to_go_on(typed, plan.run_dir):
        _run_hydra(job, arguments, plan)
    if job.error:
        raise job.error
    return plan.run_dir


def _sweep(typed: str, arguments: Arguments, plan: Plan, folder: Path) -> int:
    """Run the jobs that are missing, and end in the table, also where someone interrupts."""
    sweep = import_module("high_order_nets.sweeps.sweep")  # rich's tables and matplotlib
    if plan.complete:
        sweep.claim(folder, plan.jobs, typed)
    try:
        with told_how_to_go_on(typed, folder):
            _run_hydra(Job(typed, skip_finished=plan.complete), arguments, plan)
    except Interrupted:
        sweep.report(folder)
        raise
    return 0 if sweep.report(folder) else 1


def _run_hydra(job: Job, arguments: Arguments, plan: Plan) -> None:
    """Hand the checked command line to Hydra, with its sweepers and launchers."""
    flags = [*arguments.show, *(["--multirun"] if plan.sweep_dir and not arguments.show else [])]
    run = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(job)
    try:
        with (
            _stage([PROGRAM, *flags, *plan.overrides, *([] if is_first() else SILENT)]),
            _literal_folders(),
            jobs.given(plan.lines) if plan.lines else nullcontext(),
        ):
            run()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(one_line(error)) from error
    except OSError as error:  # a job keeps its own errors, so this is Hydra making the folder
        raise UserError(f"{error.filename}: the run's folder cannot be written: {error.strerror}") from error


@contextmanager
def _literal_folders() -> Iterator[None]:
    """Have a job's folder be what it is called: Hydra puts the name back into its config, which reads ${…} anew."""
    before = HydraConfig.set_config

    def set_config(self: HydraConfig, cfg: DictConfig) -> None:
        runtime = cfg.hydra.runtime
        plain: Any = OmegaConf.to_container(runtime, resolve=False)
        if "${" in (name := plain["output_dir"]):
            with read_write(runtime):
                runtime.output_dir = escaped(name)
        before(self, cfg)

    HydraConfig.set_config = set_config
    try:
        yield
    finally:
        HydraConfig.set_config = before


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

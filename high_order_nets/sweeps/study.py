"""Optuna's study of a search, by ask and tell; its journal in the search's folder makes it resumable."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState
from rich.console import Console

from ..config.rules import is_whole
from ..errors import UserError, nearest
from ..metrics import metric
from ..run.keep import keep_best
from ..settings import Config
from .space import Search
from .sweep import make_folder
from .trial import TrialProcess

JOURNAL = "search.journal"
_POLL = 0.3  # seconds between looks at the running trials


class Study:
    """Run trials until there are as many as asked for, counting those of an earlier, interrupted search.

    A trial that was interrupted runs again under its number. A diverged one is bad news for its settings, and told to
    optuna as a pruned one; a failed one says nothing of them, and is replaced when the search is run again.
    """

    def __init__(self, search: Search, folder: Path, job: Config, command: Sequence[str]) -> None:
        self._search, self._folder, self._command = search, folder, command
        self._kept = job["checkpoint"]["keep"]
        self._distributions = {key: distribution(override) for key, override in search.ranges.items()}
        self._study = self._open(job["seed"], job["max_epochs"])
        self._running: list[tuple[Trial, TrialProcess]] = []
        self.failed: list[int] = []

    def run(self) -> None:
        """Run what is missing; trials still running when an exception passes are stopped, to be run again."""
        trials = self._trials()
        try:
            while True:
                while len(self._running) < self._search.workers and (trial := next(trials, None)):
                    self._running.append((trial, self._start(trial)))
                if not self._running:
                    return
                time.sleep(_POLL)
                self._running = [pair for pair in self._running if not self._has_ended(*pair)]
        finally:
            for _, process in self._running:
                process.stop()

    def best(self) -> tuple[int, float, list[str]] | None:
        """Return number, score and overrides of the best trial; None before there is one."""
        if not any(trial.state == TrialState.COMPLETE for trial in self._study.trials):
            return None
        trial = self._study.best_trial
        assert trial.value is not None
        return trial.number, trial.value, _overrides(trial.params)

    def _open(self, seed: int, max_epochs: int) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        journal = self._folder / JOURNAL
        if not journal.exists() and any(self._folder.glob("*/*")):
            raise UserError(f"{self._folder}: holds runs of no search; name another folder by run_dir=…")
        make_folder(self._folder)
        study = optuna.create_study(
            study_name="search",
            storage=JournalStorage(JournalFileBackend(str(journal))),
            direction="maximize" if metric(self._search.metric).higher_is_better else "minimize",
            # Not in the first quarter: schedules with a high rate at the start look bad there, whatever the rate.
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=max_epochs // 4 + 1),
            load_if_exists=True,
        )
        self._check_same(study)
        # Seeded anew each time: a resumed sampler would otherwise draw its first values once more.
        study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials), constant_liar=True)
        return study

    def _check_same(self, study: optuna.Study) -> None:
        """Refuse a folder in which something else was searched: scores would not compare."""
        fixed = [line for line in self._search.fixed if not line.startswith("hydra.")]
        ranges = [str(override.input_line) for override in self._search.ranges.values()]
        asked = sorted([*fixed, *ranges, f"search.metric={self._search.metric}"])
        before = study.user_attrs.get("asked", asked)
        if before != asked:
            changed = ", ".join(sorted(set(before) ^ set(asked)))
            raise UserError(f"{self._folder}: holds another search, differing in {changed}; name another run_dir=…")
        study.set_user_attr("asked", asked)

    def _trials(self) -> Iterator[Trial]:
        """Yield the interrupted trials, then as many new ones as are missing."""
        kept = (TrialState.COMPLETE, TrialState.PRUNED)
        done = len(self._study.get_trials(deepcopy=False, states=kept))
        interrupted = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for trial in interrupted:
            yield Trial(self._study, trial._trial_id)  # the way to go on with a trial that optuna has
        for _ in range(self._search.trials - done - len(interrupted)):
            yield self._study.ask(self._distributions)

    def _start(self, trial: Trial) -> TrialProcess:
        folder = self._folder / str(trial.number)
        return TrialProcess([*self._command, *_overrides(trial.params)], folder, self._search.workers)

    def _has_ended(self, trial: Trial, process: TrialProcess) -> bool:
        """Report the epochs that are new; tell the study where the trial is over."""
        ended = process.has_ended()
        reported = self._study.trials[trial.number].intermediate_values
        for figures in process.epochs():
            self._check_measured(figures)
            if (epoch := int(figures["epoch"])) not in reported and self._search.metric in figures:
                trial.report(figures[self._search.metric], epoch)
        if not ended and self._search.pruning and trial.should_prune():
            process.prune()
            ended = True
        if ended:
            self._tell(trial, process.metrics())
            if self._kept:
                keep_best([self._folder / str(each.number) for each in self._study.trials], self._kept)
        return ended

    def _check_measured(self, figures: dict[str, float]) -> None:
        """Refuse to go on with a metric that the runs do not measure."""
        measured = [key for key in figures if key.startswith("val_")]
        if self._search.metric not in figures:
            hint = nearest(self._search.metric, measured, f"; expected one of {', '.join(measured)}")
            raise UserError(f"search.metric={self._search.metric}: the runs do not measure it{hint}")

    def _tell(self, trial: Trial, metrics: dict[str, Any]) -> None:
        status, score = metrics["status"], metrics.get(self._search.metric)
        if status == "finished" and score is not None:
            self._study.tell(trial, score)
        elif status in ("pruned", "diverged"):
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, state=TrialState.FAIL)
            self.failed.append(trial.number)
        said = f"{self._search.metric} {score:.4f}" if status == "finished" and score is not None else status
        line = f"trial {trial.number}: {said}  {' '.join(_overrides(trial.params))}"
        Console(soft_wrap=True, highlight=False, markup=False).print(line)


def distribution(override: Override) -> BaseDistribution:
    """Turn a range in Hydra's words into optuna's: interval, tag(log, interval), range and choice (or a,b,c)."""
    swept = override.value()
    if isinstance(swept, IntervalSweep):
        assert swept.start is not None
        assert swept.end is not None
        return FloatDistribution(swept.start, swept.end, log="log" in swept.tags)
    values = list(override.sweep_string_iterator())
    if isinstance(swept, RangeSweep) and is_whole(swept.start) and is_whole(swept.step):
        return IntDistribution(int(values[0]), int(values[-1]), step=int(swept.step))
    return CategoricalDistribution(values)


def _overrides(params: dict[str, Any]) -> list[str]:
    """Write the values as people would: six digits are more than any of them matters to."""
    return [f"{key}={value:.6g}" if isinstance(value, float) else f"{key}={value}" for key, value in params.items()]

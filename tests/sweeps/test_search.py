"""The search: what is searched, how trials end, running on after an interruption."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("optuna")

from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from high_order_nets import cli
from high_order_nets.config.catalogue import choices_of
from high_order_nets.config.overrides import parse
from high_order_nets.sweeps import search, study
from high_order_nets.sweeps.trial import TrialProcess

Captured = pytest.CaptureFixture[str]
FAST = ("model_name=simple", "train_fraction=0.3", "val_fraction=0.2")


class FakeTrial:
    """A run that ends as it is told, without running: finished, diverged, failed, or never (slow, interrupted)."""

    outcomes: list[str]
    started: list[tuple[str, list[str]]]

    def __init__(self, command: list[str], folder: Path, workers: int) -> None:
        self.started.append((folder.name, command))
        self.outcome = self.outcomes.pop(0)
        self.folder, self.looks = folder, 0
        folder.mkdir(exist_ok=True)
        (folder / "config.yaml").write_text(yaml.safe_dump({"choices": {}, "seed": 1}))

    def has_ended(self) -> bool:
        self.looks += 1
        if self.outcome == "interrupted":
            raise KeyboardInterrupt
        return self.outcome != "slow"

    def epochs(self) -> list[dict[str, float]]:
        count, score = (self.looks, 0.1) if self.outcome == "slow" else (4, 0.9)
        return [{"epoch": epoch, "val_acc": score} for epoch in range(1, count + 1)]

    def stop(self) -> None:
        self.outcome = "stopped"

    def prune(self) -> None:
        self.outcome = "pruned"

    def metrics(self) -> dict[str, Any]:
        figures = {"val_acc": 0.9, "test_acc": 0.8} if self.outcome == "finished" else {}
        metrics = {"status": self.outcome} | figures
        (self.folder / "metrics.json").write_text(json.dumps(metrics))
        return metrics


@pytest.fixture
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Search among fake trials with these outcomes, in tmp_path/search; the exit status."""
    monkeypatch.setattr(study, "TrialProcess", FakeTrial)
    monkeypatch.setattr(study, "_POLL", 0)

    def run(outcomes: str, *argv: str) -> int:
        FakeTrial.outcomes, FakeTrial.started = outcomes.split(), []
        return cli.main(["train", "search=mine", f"run_dir={tmp_path / 'search'}", *FAST, *argv, *own(tmp_path)])

    return run


def own(folder: Path) -> list[str]:
    """A search of one's own, beside those of conf/."""
    file = folder / "conf" / "search" / "mine.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    settings = {"trials": 3, "workers": 1, "metric": "val_acc", "pruning": True, "ranges": {"n": "2,3"}}
    file.write_text(yaml.safe_dump(settings))
    return ["--config-dir", str(file.parents[1])]


def states(folder: Path) -> list[TrialState]:
    return [trial.state for trial in open_study(folder).trials]


def open_study(folder: Path) -> Any:
    journal = study.JournalStorage(study.JournalFileBackend(str(folder / "search.journal")))
    return study.optuna.load_study(study_name="search", storage=journal)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x=interval(0.1, 2)", FloatDistribution(0.1, 2.0)),
        ("x=tag(log, interval(0.001, 1))", FloatDistribution(0.001, 1.0, log=True)),
        ("x=range(2, 7)", IntDistribution(2, 6)),
        ("x=range(1, 8, 3)", IntDistribution(1, 7, step=3)),
        ("x=range(0.5, 2, 0.5)", CategoricalDistribution(["0.5", "1.0", "1.5"])),
        ("x=tanh,clamp", CategoricalDistribution(["tanh", "clamp"])),
        ("x=choice([1,2],[3])", CategoricalDistribution(["[1,2]", "[3]"])),
    ],
)
def test_ranges_in_hydras_words(line: str, expected: object) -> None:
    assert study.distribution(OverridesParser.create().parse_override(line)) == expected


@pytest.mark.parametrize("name", choices_of("search"))
def test_the_ranges_of_every_file_pass_the_checks_of_a_run(name: str) -> None:
    found = search.read(parse([f"search={name}", "val_fraction=0.1"]))
    assert len(found.ranges) >= 3
    assert found.metric == "val_acc"


def test_the_line_adds_ranges_and_takes_them_away() -> None:
    found = search.read(parse(["search=recipe", "n=2,3", "batch_size=32", "search.trials=7", "seed=4"]))
    assert found.trials == 7
    assert set(found.ranges) == {"learning_rate", "weight_decay", "label_smoothing", "gradient_clip_val", "n"}
    assert set(found.fixed) == {"batch_size=32", "seed=4"}


def test_rules_are_searched_from_a_file_too(tmp_path: Path) -> None:
    line = own(tmp_path)
    file = tmp_path / "conf" / "search" / "mine.yaml"
    sets = "{},{layer1:{sharing:synapse}}"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"ranges": {"rules": sets}}))
    found = search.read(parse(["search=mine", *FAST, *line]))
    assert [*found.ranges["++rules"].sweep_string_iterator()] == ["{}", "{layer1:{sharing:synapse}}"]
    assert found.fixed


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("search=recip", "search=recip: unknown search; nearest valid name: recipe"),
        ("search.trials=3", "unknown search; expected one of"),
        ("search=recipe search.trails=3", "nearest valid name: search.trials"),
        ("search=recipe search.trials=0", "search.trials=0: expected a whole number of at least 1"),
        ("search=recipe search.metric=test_acc", "search.metric=test_acc: expected one of val_acc"),
        ("search=recipe search.pruning=maybe", "true or false"),
        ("search=recipe val_fraction=0", "val_fraction=0: search scores by validation; add val_fraction=0.1"),
        ("search=recipe", "add val_fraction=0.1"),
        ("search=recipe n=0,1 val_fraction=0.1", "n=0: expected a whole number of at least 1"),
        ("search=recipe nn=2,3 val_fraction=0.1", "unknown key nn"),
        ("search=recipe hydra/launcher=joblib", "search.workers=2"),
    ],
)
def test_bad_searches_are_refused_in_one_line(typed: str, said: str, capsys: Captured) -> None:
    assert cli.main(["train", *typed.split()]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


@pytest.mark.parametrize(
    ("metric", "direction", "said"),
    [
        ("val_acc5", "MAXIMIZE", "; nearest valid name: val_acc"),
        ("val_loss", "MINIMIZE", "; expected one of val_acc"),
        ("val_perplexity", "MINIMIZE", "; expected one of val_acc"),  # nobody has said what it is: a plain number
    ],
)
def test_any_metric_that_the_runs_measure_is_searched_for(
    metric: str, direction: str, said: str, searched: Callable[..., int], tmp_path: Path, capsys: Captured
) -> None:
    assert searched("slow", f"search.metric={metric}") == 2  # the fake measures val_acc alone
    assert capsys.readouterr().err == f"high-order-nets: search.metric={metric}: the runs do not measure it{said}\n"
    assert open_study(tmp_path / "search").direction.name == direction


@pytest.mark.parametrize(("headline", "status"), [(None, 0), ("acc", 0), ("perplexity", 2)])
def test_the_headline_is_searched_for_unless_another_is_named(
    headline: str | None, status: int, searched: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    plan = search.compose.plan

    def judged(arguments: Any) -> Any:
        found = plan(arguments)
        return replace(found, jobs=[job | {"task": {"headline": headline}} for job in found.jobs])

    if headline:
        monkeypatch.setattr(search.compose, "plan", judged)
    assert searched("finished", "search.trials=1", "search.metric=null") == status
    out, err = capsys.readouterr()
    assert "val_acc 0.9000" in out if status == 0 else "search.metric=val_perplexity" in err


def test_without_optuna_the_way_to_get_it_is_named(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert cli.main(["train", "search=recipe", "val_fraction=0.1"]) == 2
    assert 'pip install "high-order-nets[search]"' in capsys.readouterr().err


def test_a_search_ends_in_a_table_and_the_best_command(
    searched: Callable[..., int], tmp_path: Path, capsys: Captured
) -> None:
    assert searched("finished diverged finished", "scale=interval(1,4)") == 0
    assert states(tmp_path / "search") == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE]
    said = capsys.readouterr().out
    assert re.search(
        r"best: trial \d, val_acc 0.9000\nagain: high-order-nets train model_name=simple .* n=\d scale=", said
    )
    assert {"results.csv", "results.md", "search.journal"} <= {path.name for path in (tmp_path / "search").iterdir()}
    assert searched("", "scale=interval(1,4)") == 0  # all are there
    assert searched("finished", "scale=interval(1,4)", "search.trials=4") == 0
    assert [folder for folder, _ in FakeTrial.started] == ["3"]


def test_another_search_in_the_folder_is_an_error(searched: Callable[..., int], capsys: Captured) -> None:
    assert searched("finished", "search.trials=1") == 0
    assert searched("", "n=2,5") == 2
    assert "holds another search, differing in n=2,3, n=2,5" in capsys.readouterr().err


def test_a_sweeps_folder_is_no_searchs(searched: Callable[..., int], tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "search" / "0").mkdir(parents=True)
    (tmp_path / "search" / "0" / "metrics.json").touch()
    assert searched("") == 2
    assert "holds runs of no search" in capsys.readouterr().err


def test_failed_trials_are_named_and_replaced(searched: Callable[..., int], tmp_path: Path, capsys: Captured) -> None:
    assert searched("failed finished", "search.trials=2") == 1
    assert f"{tmp_path / 'search' / '0'}: failed" in capsys.readouterr().out
    assert searched("finished", "search.trials=2") == 0
    assert states(tmp_path / "search") == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]


def test_bad_trials_are_pruned(searched: Callable[..., int], tmp_path: Path) -> None:
    outcomes = "finished finished finished finished finished slow"
    assert searched(outcomes, "search.trials=6", "max_epochs=4", "search.pruning=true") == 0
    assert states(tmp_path / "search")[-1] == TrialState.PRUNED
    slow = open_study(tmp_path / "search").trials[5]
    assert slow.intermediate_values == {1: 0.1, 2: 0.1}


def test_an_interrupted_search_goes_on(searched: Callable[..., int], tmp_path: Path, capsys: Captured) -> None:
    assert searched("finished interrupted") == 130
    typed = f"train search=mine {' '.join(FAST)} --config-dir {tmp_path / 'conf'}"
    said = f"go on by: high-order-nets {typed} run_dir={tmp_path / 'search'}"
    assert capsys.readouterr().err.endswith(f"{said}\n")
    before = open_study(tmp_path / "search").trials
    assert [trial.state for trial in before] == [TrialState.COMPLETE, TrialState.RUNNING]
    assert searched("finished finished", "search.workers=2") == 0
    after = open_study(tmp_path / "search").trials
    assert [folder for folder, _ in FakeTrial.started] == ["1", "2"]
    assert [trial.params for trial in after[:2]] == [trial.params for trial in before]
    assert states(tmp_path / "search") == [TrialState.COMPLETE] * 3


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "count"), [(1, 1), (2, 4)])
def test_trials_run_in_processes(workers: int, count: int, tmp_path: Path, capsys: Captured) -> None:
    argv = ["train", "search=mine", *FAST, "trainer=debug", f"run_dir={tmp_path / 'search'}", *own(tmp_path)]
    assert cli.main([*argv, "scale=interval(2,5)", f"search.workers={workers}", f"search.trials={count}"]) == 0
    assert states(tmp_path / "search") == [TrialState.COMPLETE] * count
    for trial in range(count):
        files = {path.name for path in (tmp_path / "search" / str(trial)).iterdir()}
        assert {"metrics.json", "trial.log", "history.csv"} <= files
    said = capsys.readouterr().out
    assert all(f"trial {trial}: val_acc" in said for trial in range(count))


@pytest.mark.slow
def test_a_pruned_process_is_stopped(tmp_path: Path) -> None:
    process = TrialProcess(["train", "max_epochs=1000"], tmp_path, 1)
    while not process.epochs():
        assert not process.has_ended(), (tmp_path / "trial.log").read_text()
        time.sleep(0.1)
    process.prune()
    assert process.has_ended()
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["status"] == "pruned"
    assert metrics["epochs"] >= 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells processes of their parent's death")
def test_a_killed_search_takes_its_trials_along(tmp_path: Path) -> None:
    starts = "import time; from pathlib import Path; from high_order_nets.sweeps.trial import TrialProcess; "
    starts += f"TrialProcess(['train', 'max_epochs=1000'], Path({str(tmp_path)!r}), 1); time.sleep(600)"
    searching = subprocess.Popen([sys.executable, "-c", starts])
    history = tmp_path / "history.csv"
    while not history.exists():
        assert searching.poll() is None
        time.sleep(0.1)
    searching.kill()
    searching.wait()
    while json.loads((tmp_path / "metrics.json").read_text())["status"] == "running":
        time.sleep(0.1)
    assert json.loads((tmp_path / "metrics.json").read_text())["status"] == "interrupted"


def test_a_process_that_dies_has_failed(tmp_path: Path) -> None:
    process = TrialProcess(["nosuch"], tmp_path, 1)
    while not process.has_ended():
        time.sleep(0.05)
    assert process.metrics()["status"] == "failed"
    assert "trial.log" in json.loads((tmp_path / "metrics.json").read_text())["error"]
    assert "nosuch: unknown command" in (tmp_path / "trial.log").read_text()

"""Which jobs a sweep runs: each setting once, drawn once, those that are missing."""

import json
import runpy
from pathlib import Path

import pytest

from high_order_nets import cli
from high_order_nets.config import compose
from high_order_nets.config.overrides import parse
from tests.runner import Runner

Captured = pytest.CaptureFixture[str]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def recorded(folder: Path, key: str) -> list:
    return [job[key] for job in json.loads((folder / "sweep.json").read_text())["jobs"]]


@pytest.mark.parametrize(
    "drawn",
    [
        "seed=shuffle(1,2,3,4)",
        pytest.param("seed=sort(3,1,2,reverse=true)", marks=pytest.mark.slow),
        *(pytest.param(f"seed={drawn}", marks=pytest.mark.slow) for drawn in ("shuffle(range(1,5))", "range(4,0,-1)")),
    ],
)
def test_a_drawn_order_is_that_of_the_record_and_of_the_next_time(drawn: str, runner: Runner, tmp_path: Path) -> None:
    line = ["train", "-m", drawn, f"run_dir={tmp_path}"]
    assert cli.main(line) == 0
    ran = [job["seed"] for job in runner.configs]
    assert ran == recorded(tmp_path, "seed")
    assert [int(folder.name) for folder in runner.folders] == list(range(len(ran)))
    (tmp_path / "1" / "metrics.json").unlink()
    runner.configs.clear()
    assert cli.main(line) == 0
    assert [job["seed"] for job in runner.configs] == [ran[1]]


def test_a_job_of_another_config_is_not_taken_for_finished(runner: Runner, tmp_path: Path) -> None:
    line = ["train", "-m", "n=2,3", f"run_dir={tmp_path}"]
    assert cli.main(line) == 0
    file = tmp_path / "1" / "config.yaml"
    file.write_text(file.read_text().replace("n: 3", "n: 4"))
    runner.configs.clear()
    cli.main(line)
    assert [job["n"] for job in runner.configs] == [3]


def test_more_epochs_let_every_job_go_on(runner: Runner, tmp_path: Path) -> None:
    line = ["train", "-m", "n=2,3", f"run_dir={tmp_path}"]
    assert cli.main([*line, "max_epochs=2"]) == 0
    runner.configs.clear()
    assert cli.main([*line, "max_epochs=5"]) == 0
    assert [(job["n"], job["max_epochs"]) for job in runner.configs] == [(2, 5), (3, 5)]
    assert recorded(tmp_path, "max_epochs") == [5, 5]


def test_the_folder_of_a_run_is_evaluated_once() -> None:
    plan = compose.plan(parse(["n=2"]))
    assert f"hydra.run.dir='{plan.run_dir}'" in plan.overrides


def test_jobs_that_differ_only_in_unread_knobs_run_once(runner: Runner, tmp_path: Path, capsys: Captured) -> None:
    line = ["train", "-m", "layer_type=standard,polynomial2d", "n=2,3", "seed=1,2", f"run_dir={tmp_path}"]
    assert cli.main(line) == 0
    ran = [(job["choices"]["layer_type"], job["n"], job["seed"]) for job in runner.configs]
    polynomials = [("polynomial2d", n, seed) for n in (2, 3) for seed in (1, 2)]
    assert ran == [("standard", 2, 1), ("standard", 2, 2), *polynomials]
    assert recorded(tmp_path, "n") == [n for _, n, _ in ran]
    assert "2 of 8 jobs differ from others only in knobs that they do not read" in capsys.readouterr().err
    runner.configs.clear()
    assert cli.main(line) == 0
    assert not runner.configs


def test_a_sweep_begun_with_all_its_jobs_keeps_them(runner: Runner, tmp_path: Path, monkeypatch) -> None:
    line = ["train", "-m", "layer_type=standard", "n=2,3", f"run_dir={tmp_path}"]
    with monkeypatch.context() as before:
        before.setattr(compose.CheckedJob, "effective", property(lambda job: job.config))
        assert cli.main(line) == 0
    assert len(runner.configs) == 2
    (tmp_path / "1" / "metrics.json").unlink()
    assert cli.main(line) == 0
    assert len(runner.configs) == 3


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("segments=3", "segments is not read by layer_type=polynomial2d"),
        ("alpha=0.5", "alpha is not read by layer_type=polynomial2d"),
        ("n=4 layer_type=standard", "n is not read by layer_type=standard"),
        ("domain=tanh layer_type=standard", "domain is not read by layer_type=standard"),
        ("epochs_per_layer=2", "epochs_per_layer is not read by layer_by_layer=false"),
        ("label_smoothing=0.1 loss=mse", "label_smoothing is not read by loss=mse"),
        ("n=4 layer_type=crelu", "n is not read by layer_type=crelu"),
        ("n=4 segments=2 layer_type=continuous2d alpha=1", "alpha is not read by layer_type=continuous2d"),
        ("optimizer=lbfgs weight_decay=0.1", "weight_decay is not read by optimizer=lbfgs"),
        (
            "optimizer=lbfgs optimizer.default_weight_decay=0.1",
            "optimizer.default_weight_decay is not read by optimizer=lbfgs",
        ),
        (
            "weight_decay=0 optimizer.default_weight_decay=0.1",
            "optimizer.default_weight_decay is not read by weight_decay=0",
        ),
        (
            "lr=0.1 optimizer.default_learning_rate=1",
            "optimizer.default_learning_rate is not read by learning_rate=0.1",
        ),
        ("model_name=mlp stem=imagenet", "stem is not read by model_name=mlp"),
        ("model_name=densenet121 stem=imagenet", None),
        ("model_name=resnext50_32x4d stem=imagenet", None),
        (
            "model_name=mlp model_name.hidden_layers=0 model_name.hidden_width=9",
            "model_name.hidden_width is not read by model_name.hidden_layers=0",
        ),
        ("augment=false dataset.augment.crop=2", "dataset.augment.crop is not read by augment=false"),
        ("dataset.subset=first", "dataset.subset is not read by train_fraction=1.0"),
        ("dataset.subset=first val_fraction=0.1", None),  # other images are held out
        ("trainer=debug max_epochs=3", "max_epochs is not read by trainer=debug"),
        ("trainer=debug max_epochs=1 batch_size=8", None),
        ("trainer=debug batch_size=64", "batch_size is not read by trainer=debug"),
        (
            "trainer=debug refine.epochs=[2] refine.n=[4]",
            "refine.epochs is not read by trainer=debug; refine.n is not read by trainer=debug",
        ),
        ("trainer=debug early_stopping=2 val_fraction=0.2", "early_stopping is not read by trainer=debug"),
        ("plots.enabled=false plots.layers=3", "plots.layers is not read by plots.enabled=false"),
        ("plots.enabled=false plots.format=pdf", None),  # of a sweep's plots too
        ("skip=stem layer_type=standard", "skip is not read by layer_type=standard"),
        ("weights=keep layer_type=standard norm=batch", "weights is not read by layer_type=standard"),
        ("skip=[head] linear_output=false", "linear_output is not read by skip=[head]"),
        ("warmup_epochs=12 scheduler.pct_start=0.1", "scheduler.pct_start is not read by warmup_epochs=12"),
        ("precision=64-true matmul_precision=high", "matmul_precision is not read by precision=64-true"),
        ("scale=2 layer_type=standard", None),  # the inputs are scaled to it
        ("n=4", None),
        ("", None),
    ],
)
def test_knobs_without_effect_are_named(typed: str, said: str | None) -> None:
    notes = compose.plan(parse(typed.split())).notes
    assert "; ".join(notes) == (said or "")


def test_in_a_sweep_a_knob_is_named_that_no_job_reads() -> None:
    def notes(layer_types: str) -> list[str]:
        plan = compose.plan(parse(["-m", f"layer_type={layer_types}", "segments=2", "seed=1,2"]))
        return [note for note in plan.notes if "segments" in note]

    assert notes("standard,continuous2d") == []
    assert notes("standard,polynomial2d") == ["segments is not read by layer_type=standard or layer_type=polynomial2d"]


def test_a_drawn_list_is_the_one_on_record(runner: Runner, tmp_path: Path) -> None:
    line = ["train", "-m", "n=2,3", "skip=shuffle([stem,head,downsample,layer1,layer2])", f"run_dir={tmp_path}"]
    assert cli.main(line) == 0
    assert [job["skip"] for job in runner.configs] == recorded(tmp_path, "skip")
    assert sorted(runner.configs[0]["skip"]) == ["downsample", "head", "layer1", "layer2", "stem"]
    runner.configs.clear()
    assert cli.main(line) == 0
    assert not runner.configs
    single = ["train", line[3], f"run_dir={tmp_path / 'single'}"]
    assert cli.main(single) == 0
    assert runner.configs[0]["skip"] == compose.plan(parse(single[1:])).jobs[0]["skip"]


def jobs_of(line: str, comparison: tuple[str, ...] = ()) -> list[tuple]:
    plan = compose.plan(parse(line.split(), {"experiment": "xor"}, comparison))
    return [
        (job["seed"], job["choices"]["layer_type"], job["n"], job["model_name"]["hidden_width"]) for job in plan.jobs
    ]


def test_a_sweep_is_of_several_grids(tmp_path: Path) -> None:
    line = "-m seed=1,2 + layer_type=polynomial n=3,5 + layer_type=standard model_name.hidden_width=4"
    assert jobs_of(line) == [
        *((seed, "polynomial", n, 2) for seed in (1, 2) for n in (3, 5)),
        *((seed, "standard", 2, 4) for seed in (1, 2)),
    ]
    plan = compose.plan(parse(["-m", "n=3", "+", "n=4", f"run_dir={tmp_path}"]))
    assert (plan.sweep_dir, [job["n"] for job in plan.jobs]) == (tmp_path, [4])
    assert jobs_of("-m n=3 + + n=4") == [(1, "discontinuous", 3, 2), (1, "discontinuous", 4, 2)]


def test_a_script_compares_where_nothing_is_swept() -> None:
    own = ("layer_type=polynomial n=3,5", "layer_type=standard")
    assert [job[1:3] for job in jobs_of("-m", own)] == [("polynomial", 3), ("polynomial", 5), ("standard", 2)]
    assert [job[1:3] for job in jobs_of("-m n=4", own)] == [("polynomial", 4), ("standard", 4)]
    for line in ("seed=1", "-m seed=1,2", "-m + layer_type=discontinuous"):
        assert {job[1] for job in jobs_of(line, own)} == {"discontinuous"}


@pytest.mark.parametrize(
    ("script", "count"), [("function_example", 20), ("xor", 11), ("invariant_mnist", 4), ("implicit_image", 4)]
)
def test_the_comparisons_of_the_examples_are_sweeps(script: str, count: int) -> None:
    comparison = runpy.run_path(str(EXAMPLES / f"{script}.py"))["COMPARISON"]
    assert len(compose.plan(parse(["-m"], {"experiment": script}, comparison)).jobs) == count


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("n=2 + n=3", "+: begins a grid of a sweep, which needs the flag -m"),
        ("-m search=recipe + n=3", "+: begins a grid of a sweep, which needs the flag -m and no search"),
        ("-m n=2 + n=3 search=recipe", "+: begins a grid of a sweep, which needs the flag -m and no search"),
        ("-m n=2 + n=x", "n=x: "),
        ("-m n=2 + m=3", "m=3: "),
    ],
)
def test_a_grid_that_is_none_is_refused(line: str, message: str, capsys: Captured) -> None:
    assert cli.main(["train", *line.split()]) == 2
    assert message in capsys.readouterr().err

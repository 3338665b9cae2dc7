"""What the command line says: in one line, of what was typed, on any terminal; and what it leaves behind."""

import io
import os
import shlex
import signal
import subprocess
import sys
from importlib import metadata
from importlib.metadata import version
from pathlib import Path

import pytest

from high_order_nets import __version__, cli
from high_order_nets.cli import manual
from high_order_nets.errors import Interrupted, nearest
from high_order_nets.inference.export import Exported
from high_order_nets.run.record import circumstances
from high_order_nets.run.summary import show_summary
from high_order_nets.terminal import going_on
from tests.runner import Runner

Captured = pytest.CaptureFixture[str]
FAST = ["dataset=digits", "model_name=simple", "max_epochs=1", "train_fraction=0.2", "plots.enabled=false"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("train hydra.launcher=joblib", "did you mean hydra/launcher=joblib?"),
        ("train -m n=2,3 hydra.sweeper=optuna", "did you mean hydra/sweeper=optuna?"),
        ("train optimizer/momentum=0.5", "optimizer/momentum=0.5: did you mean optimizer.momentum=0.5?"),
        ("train -m optimizer/momentum=0.5,0.6", "did you mean optimizer.momentum=0.5?"),
        ("train optimizer=adam optimizer/betas=[0.8,0.9]", "did you mean optimizer.betas=[0.8,0.9]?"),
        ("train dataset/augment/crop=2", "did you mean dataset.augment.crop=2?"),
        ("train dataset/augment.crop=2", "did you mean dataset.augment.crop=2?"),
        ("train hydra.job_logging=plain", "did you mean hydra/job_logging=plain?"),
        ("train hydra/launcher.n_jobs=2", "did you mean hydra.launcher.n_jobs=2?"),
        ("train hydra/sweeper/max_batch_size=2", "did you mean hydra.sweeper.max_batch_size=2?"),
        ("train hydra/mode=RUN", "did you mean hydra.mode=RUN?"),
        ("train /optimizer=adam", "/optimizer=adam: did you mean optimizer=adam?"),
        ("train optimizer/=adam", "did you mean optimizer=adam?"),
        ("train /n=3", "did you mean n=3?"),
        ("train /hydra/launcher=joblib", "did you mean hydra/launcher=joblib?"),
        ("train dataset/augment=false", "did you mean dataset.augment=false?"),
        ("train foo/bar=3", "unknown key foo/bar; high-order-nets train --help lists them"),
        ("train /foo=3", "expected key=value, the key made of letters"),
        ("train dataset.augment=false", "did you mean augment=false?"),
        ("train layer_type=qqqq", "see: high-order-nets list layers"),
        ("train optimizer=zzz", "expected one of adahessian, adam"),
        ("train foo=1", "high-order-nets train --help lists them"),
        ("n=3", "expected a command first, such as: high-order-nets train n=3"),
        ("qqqq", "unknown command; expected one of train, test"),
    ],
)
def test_a_mistake_is_named_as_it_was_typed(typed: str, said: str, runner: Runner, capsys: Captured) -> None:
    assert cli.main(shlex.split(typed)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err
    assert "nearest" not in err
    assert not runner.configs


def test_a_far_name_is_not_the_nearest() -> None:
    assert nearest("qqqq", ["standard", "polynomial"]) == ""
    assert nearest("qqqq", ["standard"], "; see there") == "; see there"
    assert nearest("polynomal", ["standard", "polynomial"]) == "; nearest valid name: polynomial"
    assert nearest("32", ["32-true", "64-true"]) == "; nearest valid name: 32-true"


@pytest.mark.parametrize(
    ("model", "said"),
    [("vit_b_16", "a larger dataset.image_size"), ("mine", "leave weights out of its file")],
)
def test_a_network_that_cannot_be_leaves_no_run_behind(model: str, said: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "conf" / "model_name").mkdir(parents=True)
    file = tmp_path / "conf" / "model_name" / "mine.yaml"
    file.write_text("_target_: torchvision.models.resnet18\nweights: DEFAULT\n")
    argv = ["train", *FAST, f"model_name={model}", "--config-dir", str(tmp_path / "conf")]
    assert cli.main([*argv, f"run_dir={tmp_path / 'run'}"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    (tmp_path / "mine").mkdir()  # what was there before stays
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert cli.main([*argv, f"run_dir={tmp_path / 'mine'}"]) == 2
    assert (tmp_path / "mine" / "notes.txt").read_text() == "mine"


def test_resume_speaks_of_resume(tmp_path: Path, capsys: Captured) -> None:
    assert cli.main(["train", *FAST, f"run_dir={tmp_path / 'a'}"]) == 0
    capsys.readouterr()
    assert cli.main(["train", *FAST, "lr=0.5", f"resume={tmp_path / 'a'}", f"run_dir={tmp_path / 'b'}"]) == 2
    err = capsys.readouterr().err
    assert f"resume={tmp_path / 'a'}: holds a run of another config, learning_rate=null there and 0.5 here" in err
    assert "ckpt" not in err
    assert "run_dir" not in err


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (Interrupted(signal.SIGTERM), 143)])
def test_a_sweep_that_is_stopped_names_the_line_that_goes_on(
    error: BaseException, status: int, runner: Runner, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> float:
        raise error

    monkeypatch.setattr(runner, "train", stop)  # a KeyboardInterrupt is what comes between the jobs
    assert cli.main(["train", "-m", "n=2,3", f"run_dir={tmp_path}"]) == status
    assert f"go on by: high-order-nets train -m n=2,3 run_dir={tmp_path}\n" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["-m", "train", "n=2,3"], ["n=2,3", "train", "-m"], ["train", "-m", "n=2,3"]])
def test_flags_and_knobs_may_come_before_the_command(argv: list[str], runner: Runner, tmp_path: Path) -> None:
    assert cli.main([*argv, f"run_dir={tmp_path}"]) == 0
    assert [config["n"] for config in runner.configs] == [2, 3]


def test_version(capsys: Captured) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"high-order-nets {version('high-order-nets')}\n"


def test_a_bare_checkout_knows_its_version(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = metadata.distribution

    def not_installed(name: str) -> metadata.Distribution:
        if name == "high-order-nets":
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(metadata, "distribution", not_installed)
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"high-order-nets {__version__}\n"
    assert circumstances({"command": "", "seed": 1, "choices": {}})["versions"]["high-order-nets"] == __version__


def test_printed_paths_are_ready_to_be_typed(runner: Runner, tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "my runs"
    assert cli.main(["train", "-m", "n=2,3", f"run_dir={folder}"]) == 0
    assert f"in '{folder}': results.csv" in capsys.readouterr().out
    (folder / "tensorboard").mkdir()
    show_summary({"test_acc": 0.5, "tested": "last"}, folder)
    show_summary({"test_acc": 0.5}, folder / "last.ckpt")
    out = capsys.readouterr().out
    for line in (
        f"folder: '{folder}'",
        f"curves: tensorboard --logdir '{folder}'",
        f"checkpoint: '{folder / 'last.ckpt'}'",
    ):
        assert line in out.splitlines()


def test_plot_and_export_print_paths_ready_to_be_typed(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my runs"
    folder.mkdir()
    monkeypatch.setattr("high_order_nets.plots.redraw.redraw", lambda *_: [folder / "curves.png"])
    monkeypatch.setattr("high_order_nets.inference.export.export", lambda *_: Exported(folder / "net.onnx", 1e-7))
    assert cli.main(["plot", f"ckpt={folder}"]) == 0
    assert capsys.readouterr().out == f"'{folder / 'curves.png'}'\n"
    assert cli.main(["export", f"ckpt={folder}", "format=onnx"]) == 0
    assert capsys.readouterr().out.startswith(f"'{folder / 'net.onnx'}': logits differ")


@pytest.mark.parametrize("name", ["${n}", "${nosuch:1}", "a,b ${hydra.job.name} \\${n}", "${oc.env:HOME}"])
@pytest.mark.parametrize("line", [["n=3"], ["-m", "n=2,3"]])
def test_a_folders_name_is_taken_literally(
    name: str, line: list[str], runner: Runner, tmp_path: Path, capsys: Captured
) -> None:
    folder = tmp_path / name
    assert cli.main(["train", *line, f"run_dir={folder}"]) == 0, capsys.readouterr().err
    assert runner.folders == ([folder / "0", folder / "1"] if "-m" in line else [folder])
    assert all((run / ".hydra" / "config.yaml").is_file() for run in runner.folders)
    assert all((run / "train.log").is_file() for run in runner.folders)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("line", "name", "said"),
    [
        ("-m n=2,3 hydra/launcher=joblib", "${n}", "leave hydra/launcher out, or name another folder"),
        ("n=3", "${n", "no folder's name for Hydra"),
        ("n=3", "${a b}", "no folder's name for Hydra"),
    ],
)
def test_a_folder_that_hydra_would_misread_is_refused(
    line: str, name: str, said: str, runner: Runner, tmp_path: Path, capsys: Captured
) -> None:
    assert cli.main(["train", *line.split(), f"run_dir={tmp_path / name}"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"high-order-nets: run_dir={tmp_path / name}: ")
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_each_command_has_its_own_help(capsys: Captured) -> None:
    assert cli.main(["train", "--help"]) == 0
    training = capsys.readouterr().out
    assert "learning_rate=" in training
    assert "export ckpt=" not in training
    assert cli.main(["export", "--help"]) == 0
    assert capsys.readouterr().out.startswith("high-order-nets export ckpt=PATH format=")
    assert cli.main(["--help"]) == 0
    assert "export ckpt=" in capsys.readouterr().out


def test_a_stop_names_the_whole_line_that_goes_on(
    runner: Runner, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> float:
        raise Interrupted(signal.SIGINT)

    monkeypatch.setattr(runner, "train", stop)
    folder = tmp_path / "a run"
    assert cli.main(["train", "n=2", f"run_dir={folder}"]) == 130
    assert f"go on by: high-order-nets train n=2 'run_dir={folder}'" in capsys.readouterr().err
    assert (
        going_on("high-order-nets train 'skip=[a, b]'", Path("/x")) == "high-order-nets train 'skip=[a, b]' run_dir=/x"
    )


def test_a_stream_of_another_encoding_ends_no_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "high_order_nets", "train", *FAST, "-m", "n=2,3", f"run_dir={tmp_path}"]
    environment = {"PYTHONIOENCODING": "ascii", "PATH": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    done.stdout.decode("ascii")
    assert (tmp_path / "results.csv").is_file()


@pytest.mark.parametrize("before", [None, "utf-8"])
def test_the_environment_and_the_streams_are_left_as_they_were(
    before: str | None, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    if before:
        monkeypatch.setenv("PYTHONIOENCODING", before)
    errors = [sys.stdout.errors, sys.stderr.errors]
    assert cli.main(["--version"]) == 0
    assert os.environ.get("PYTHONIOENCODING") == before
    assert [sys.stdout.errors, sys.stderr.errors] == errors


@pytest.mark.parametrize("width", [40, 80, 119])
def test_a_broken_example_can_be_pasted(width: int) -> None:
    line = max(manual.EXAMPLES, key=len)
    text = manual.fitted(f"  {line}", width)
    assert shlex.split(text.replace("\\\n", " ")) == shlex.split(line)
    assert all(len(each) <= width for each in text.splitlines())
    assert all(each.endswith(" \\") for each in text.splitlines()[:-1])


def test_results_are_written_before_they_are_shown(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError("closed")

    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(OSError, match="closed"):
        cli.main(["train", "-m", "n=2,3", f"run_dir={tmp_path}"])
    assert (tmp_path / "results.csv").is_file()


def test_a_folder_with_a_foreign_digit_ends_no_table(runner: Runner, tmp_path: Path, capsys: Captured) -> None:
    assert cli.main(["train", f"run_dir={tmp_path / '²'}"]) == 0
    assert cli.main(["train", f"run_dir={tmp_path / '1'}"]) == 0
    assert cli.main(["table", str(tmp_path)]) == 0

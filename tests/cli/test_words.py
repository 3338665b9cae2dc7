"""What the command line says: in one line, of what was typed, on any terminal; and what it leaves behind."""

import io
import shlex
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from high_order_nets import cli
from high_order_nets.errors import Interrupted
from high_order_nets.training.overrides import nearest
from high_order_nets.training.terminal import going_on

from .conftest import Runner

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


@pytest.mark.parametrize("argv", [["-m", "train", "n=2,3"], ["n=2,3", "train", "-m"], ["train", "-m", "n=2,3"]])
def test_flags_and_knobs_may_come_before_the_command(argv: list[str], runner: Runner, tmp_path: Path) -> None:
    assert cli.main([*argv, f"run_dir={tmp_path}"]) == 0
    assert [config["n"] for config in runner.configs] == [2, 3]


def test_version(capsys: Captured) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"high-order-nets {version('high-order-nets')}\n"


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

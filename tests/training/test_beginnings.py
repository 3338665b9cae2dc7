"""Where a run begins: which checkpoint is taken, set aside, dropped or refused."""

from pathlib import Path

import pytest
import torch

from high_order_nets.errors import UserError
from high_order_nets.training import resume
from high_order_nets.training.resume import Start, find_start
from tests.run.folders import CONFIG, checkpoint


def test_a_new_run_begins_with_its_first_step(tmp_path: Path) -> None:
    for wanted in ("auto", "never"):
        assert find_start(CONFIG | {"resume": wanted}, tmp_path) == Start(None, 0, {})


def test_a_run_goes_on_from_its_newest_checkpoint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = tmp_path / "checkpoints"
    last, best = checkpoint(own / "last.ckpt", 20), checkpoint(own / "best.ckpt", 10)
    elsewhere = checkpoint(tmp_path / "other.ckpt", 30)
    with caplog.at_level("INFO"):
        start = find_start(CONFIG | {"resume": str(elsewhere)}, tmp_path)
    assert start == Start(last, 20, {"val_acc": 0.2})
    assert caplog.messages == [f"going on from {last}: 4 epochs, 20 steps done"]
    assert best.exists()


@pytest.mark.parametrize("name", ["last.ckpt", "checkpoints/last.ckpt", "run/checkpoints/last.ckpt"])
def test_another_run_is_gone_on_with_by_folder_or_file(name: str, tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "there" / name, 30)
    newer = checkpoint(tmp_path / "run" / "checkpoints" / "x" / "best.ckpt", 40)
    named = path if name.startswith("run") else tmp_path / "there"
    assert find_start(CONFIG | {"resume": str(named)}, tmp_path / "run").path == path
    assert newer.exists()


def test_a_best_that_is_not_reached_yet_goes(tmp_path: Path) -> None:
    own = tmp_path / "checkpoints"
    for step, stays in ((20, True), (21, False)):
        checkpoint(own / "last.ckpt", 20)
        best = checkpoint(own / "best.ckpt", step)
        resume._drop_newer_best(own, 20)
        assert best.exists() == stays


def test_unreadable_checkpoints_are_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = tmp_path / "checkpoints"
    good = checkpoint(own / "best.ckpt", 10)  # there is no previous one
    for expected in ("last.ckpt.corrupt", "last.ckpt.corrupt_", "last.ckpt.corrupt__"):
        (own / "last.ckpt").write_text("not a checkpoint")
        assert find_start(CONFIG, tmp_path).path == good
        assert (own / expected).read_text() == "not a checkpoint"
        assert (
            f"ckpt={own / 'last.ckpt'}: not a readable checkpoint of plain data; set aside as {expected}" in caplog.text
        )
    assert not (own / "last.ckpt").exists()


def test_nothing_to_go_on_with_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, message in (("empty", "no checkpoint there that can be read"), ("gone", "no such file")):
        with pytest.raises(UserError, match=f"{name}: {message}$"):
            find_start(CONFIG | {"resume": str(tmp_path / name)}, tmp_path / "run")


def test_a_run_does_not_go_on_from_weights_alone(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(UserError, match=r"^resume=.*: holds weights alone; name the run's folder or a checkpoint$"):
        find_start(CONFIG | {"resume": str(tmp_path / "model.safetensors")}, tmp_path / "run")


def test_a_checkpoint_of_another_config_or_age_is_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "a.ckpt", 5, config=CONFIG | {"n": 9})
    with pytest.raises(UserError, match=rf"^resume={path}: .*n=9 there and 3 here; a run goes on under the settings"):
        find_start(CONFIG | {"resume": str(path)}, tmp_path / "run")
    own = checkpoint(tmp_path / "own" / "checkpoints" / "last.ckpt", 5, config=CONFIG | {"n": 9})
    with pytest.raises(UserError, match=rf"^run_dir={tmp_path / 'own'}: .*n=9 there and 3 here; name another run_dir$"):
        find_start(CONFIG, own.parent.parent)
    torch.save({"state_dict": {}, "config": CONFIG}, path)
    with pytest.raises(UserError, match="written by an earlier version, which could not be continued; name another"):
        find_start(CONFIG | {"resume": str(path)}, tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "epochs", "said"),
    [
        *((name, 6, True) for name in ("cosine", "one_cycle", "multistep")),
        *(("cosine", 4, False), ("none", 6, False), ("plateau", 6, False)),
    ],
)
def test_a_schedule_laid_out_anew_is_told(
    name: str, epochs: int, said: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = CONFIG | {"scheduler": {"name": name}}
    checkpoint(tmp_path / "checkpoints" / "last.ckpt", 5, config=config)
    with caplog.at_level("INFO"):
        find_start(config | {"max_epochs": epochs}, tmp_path)
    line = f"max_epochs=6, before 4: scheduler={name} is laid out anew over all of them"
    assert (line in caplog.messages) == said

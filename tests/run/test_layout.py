"""A run's folder has one owner: file names stand once, and `ckpt=` means the same everywhere."""

import ast
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from high_order_nets import cli, load
from high_order_nets.errors import UserError
from high_order_nets.run import layout
from high_order_nets.run.layout import DRAWN, TESTED, USED, locate, run_of

PACKAGE = Path(layout.__file__).parents[1]
FILES = [file for file in PACKAGE.rglob("*.py") if file.name not in ("layout.py", "paths.py")]
NAMES = {layout.CONFIG, layout.METRICS, layout.HISTORY, layout.WEIGHTS, layout.SWEEP, layout.TRIAL_LOG}
NAMES |= {layout.CHECKPOINTS, layout.LAST, layout.PREVIOUS, layout.BEST, "overrides.yaml", "hydra.yaml", ".hydra"}


def typed(tree: ast.AST) -> set[str]:
    """Return the last parts of the paths that the code types."""
    words = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {word.rpartition("/")[2] for word in words}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_one_else_types_a_name_of_the_folder(file: Path) -> None:
    assert not typed(ast.parse(file.read_text(encoding="utf-8"))) & NAMES


def left(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "wanted", "expected"),
    [
        (("checkpoints/best.ckpt", "checkpoints/last.ckpt", "model.safetensors"), TESTED, "checkpoints/best.ckpt"),
        (("checkpoints/best.ckpt", "checkpoints/last.ckpt", "model.safetensors"), DRAWN, "checkpoints/last.ckpt"),
        (("checkpoints/best.ckpt", "checkpoints/last.ckpt", "model.safetensors"), USED, "model.safetensors"),
        (("checkpoints/best.ckpt", "checkpoints/last.ckpt"), USED, "checkpoints/best.ckpt"),
        *((("checkpoints/last.ckpt",), wanted, "checkpoints/last.ckpt") for wanted in (TESTED, DRAWN, USED)),
        # killed while the last one was replaced
        *((("checkpoints/previous.ckpt",), wanted, "checkpoints/previous.ckpt") for wanted in (TESTED, DRAWN, USED)),
        (("last.ckpt",), USED, "last.ckpt"),  # checkpoints/ itself was named
    ],
)
def test_a_folder_stands_for_the_first_that_serves(
    names: Sequence[str], wanted: Sequence[str], expected: str, tmp_path: Path
) -> None:
    assert locate(left(tmp_path, *names), wanted) == tmp_path / expected


def test_weights_of_a_run_that_has_gone_on_since_are_not_taken(tmp_path: Path) -> None:
    left(tmp_path, "model.safetensors", "checkpoints/best.ckpt", "checkpoints/last.ckpt")
    for name, time in (("model.safetensors", 5), ("checkpoints/best.ckpt", 4), ("checkpoints/last.ckpt", 4)):
        os.utime(tmp_path / name, (time, time))
    assert locate(tmp_path, USED) == tmp_path / "model.safetensors"
    os.utime(tmp_path / "checkpoints" / "last.ckpt", (6, 6))
    assert locate(tmp_path, USED) == tmp_path / "checkpoints" / "best.ckpt"


def test_a_file_stands_for_itself(tmp_path: Path) -> None:
    assert locate(tmp_path / "epoch=3.ckpt", TESTED) == tmp_path / "epoch=3.ckpt"
    assert locate(tmp_path / "mine.safetensors", USED) == tmp_path / "mine.safetensors"
    with pytest.raises(UserError, match="holds weights alone; name the run's folder or a checkpoint"):
        locate(tmp_path / "mine.safetensors", DRAWN)
    with pytest.raises(UserError, match=r"^resume=.*: no checkpoint in it; expected the folder of a run$"):
        locate(tmp_path, USED, "resume")


def test_a_file_lies_in_its_run() -> None:
    assert run_of(Path("a/checkpoints/last.ckpt")) == run_of(Path("a/model.safetensors")) == Path("a")


@pytest.fixture(scope="module")
def interrupted(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a run that was stopped: nothing but its last checkpoint is there."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    shutil.copytree(finished / "checkpoints", folder / "checkpoints")
    (folder / "checkpoints" / "previous.ckpt").unlink(missing_ok=True)
    return folder


@pytest.mark.parametrize("command", ["test", "plot", "predict", "export"])
def test_an_interrupted_run_can_be_used(
    command: str, interrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], picture: Path
) -> None:
    words = {"predict": [str(picture)], "export": ["format=safetensors", f"out={tmp_path}/x.safetensors"]}
    words["plot"] = [f"out={tmp_path}", "layers=1"]
    assert cli.main([command, f"ckpt={interrupted}", *words.get(command, [])]) == 0
    assert capsys.readouterr().err == ""


def test_an_interrupted_run_is_loaded(interrupted: Path, finished: Path) -> None:
    old, new = (load(folder).net.state_dict() for folder in (interrupted, finished))
    assert all(old[name].equal(new[name]) for name in new)


@pytest.mark.parametrize("command", ["test", "plot", "predict", "export"])
def test_where_there_is_nothing_one_line_says_so(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], picture: Path
) -> None:
    words = {"predict": [str(picture)], "export": ["format=onnx"]}
    assert cli.main([command, f"ckpt={tmp_path}", *words.get(command, [])]) == 2
    assert capsys.readouterr().err == (
        f"high-order-nets: ckpt={tmp_path}: no checkpoint in it; expected the folder of a run\n"
    )


@pytest.fixture
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "x.png"
    Image.new("L", (8, 8), 99).save(path)
    return path

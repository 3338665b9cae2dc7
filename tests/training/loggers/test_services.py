"""wandb without a server and MLflow's database: a run that is killed goes on in the same run of each, nothing twice."""

import json
import logging
import os
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from high_order_nets.errors import UserError
from high_order_nets.training import run
from high_order_nets.training.loggers.mlflow import MLflow
from high_order_nets.training.loggers.service import Service
from high_order_nets.training.loggers.wandb import Wandb
from tests.training.crashes import crash_at

Settings = Callable[..., dict[str, Any]]
SMALL = ("model_name=simple", "dataset=digits", "train_fraction=0.3", "val_fraction=0.2", "batch_size=32")
FAST = (*SMALL, "max_epochs=2")
pytestmark = pytest.mark.filterwarnings("default")  # of theirs
TAGS = {"train/loss", "train/acc", "val/acc", "test/acc", "train/learning_rate", "speed/images_per_second"}


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody has logged in anywhere, and no server is named."""
    for key in [key for key in os.environ if key.startswith(("WANDB_", "MLFLOW_"))]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "wandb-config"))


@pytest.fixture
def killed(settings: Settings, tmp_path: Path) -> Callable[..., Path]:
    """Train, killed before the test, and go on from before the last step: that and its validation are done again."""

    def train(*words: str) -> Path:
        config = settings(*FAST, *words, "tags=[a,small]", "notes=a first look", "plots.enabled=true")
        config |= {"root": str(tmp_path)}
        with crash_at(run, "_load_best", 1):
            run.train(config, tmp_path / "run")
        (tmp_path / "run/checkpoints/last.ckpt").unlink()
        run.train(config, tmp_path / "run")
        assert json.loads((tmp_path / "run" / "metrics.json").read_text())["status"] == "finished"
        return tmp_path / "run"

    return train


def test_wandb_offline(killed: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("wandb")
    folder = killed("logger=[wandb,csv]", "logger.wandb.project=mine")
    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))
    assert len(files) == 2
    records = [record for file in files for record in recorded(file)]
    runs = [record.run for record in records if record.WhichOneof("record_type") == "run"]
    assert len({each.run_id for each in runs}) == 1
    assert (runs[0].project, runs[0].display_name, list(runs[0].tags), runs[0].notes) == (
        "mine",
        "run",
        ["a", "small"],
        "a first look",
    )
    points = [items(record) for record in records if record.WhichOneof("record_type") == "history"]
    steps = [point.pop("trainer/global_step") for point in points]
    logged = Counter(
        (name, step) for point, step in zip(points, steps, strict=True) for name in point if name[0] != "_"
    )
    assert set(logged.values()) == {1}
    names = Counter(name for name, _ in logged)
    assert names.keys() >= TAGS
    assert any(name.startswith("plots/synapses") for name in names)
    assert names["val/acc"] == 2
    assert "wandb:" not in "".join(capsys.readouterr())


def recorded(file: Path) -> Iterator[Any]:
    """Read wandb's own file: LevelDB's log of records of protobuf, behind seven bytes that name it."""
    from wandb.proto.wandb_internal_pb2 import Record  # noqa: PLC0415

    data, place, part = file.read_bytes(), 7, b""
    while place + 7 <= len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        part += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield Record.FromString(part)
            part = b""


def items(record: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}


def test_mlflow_without_a_server(killed: Callable[..., Path], tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    killed("logger=mlflow")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'outputs' / 'mlflow.db'}")
    (experiment,) = [each for each in client.search_experiments() if each.name == "high-order-nets"]
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.run_name, found.info.status) == ("run", "FINISHED")
    assert found.data.tags.items() >= {"a": "true", "small": "true", "mlflow.note.content": "a first look"}.items()
    assert found.data.params["optimizer.momentum"] == "0.9"
    assert {*TAGS, "parameters", "macs"} <= found.data.metrics.keys()
    for name in found.data.metrics:
        steps = [point.step for point in client.get_metric_history(found.info.run_id, name)]
        assert len(steps) == len(set(steps)), name
    assert len(client.get_metric_history(found.info.run_id, "val/acc")) == 2
    assert found.data.metrics["test/acc"] == json.loads((tmp_path / "run" / "metrics.json").read_text())["test_acc"]
    assert list((tmp_path / "outputs" / "mlruns").glob("*/artifacts/images/plots*synapses*.png"))


class Away(Service):
    """A service that nobody answers from, after a while."""

    def __init__(self, folder: Path, answers: int):
        super().__init__("wandb", {"logger": {"wandb": {}}}, folder, anew=True)
        self.answers, self.asked = answers, 0

    def open(self, identity: str | None) -> tuple[Any, str]:
        return self, "1"

    def send(self, service: Any, figures: Any, step: int) -> None:
        self.asked += 1
        if self.asked > self.answers:
            raise ConnectionError("no answer\n(and more)")

    def show(self, service: Any, name: str, image: Any, step: int) -> None:
        raise AssertionError

    summarise = end = send  # type: ignore[assignment]


@pytest.mark.parametrize("answers", [0, 1])
def test_a_service_that_is_away_is_one_line_and_asked_no_more(
    answers: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = Away(tmp_path, answers)
    for step in (1, 2, 3, 4):
        logger.log_metrics({"train_acc": 0.5}, step)
    logger.log_picture("plots/x", None, 5)  # type: ignore[arg-type]
    logger.log_run({}, {"parameters": 3})
    assert [record.message for record in caplog.records] == [
        "logger=wandb: nothing more is logged there: ConnectionError: no answer"
    ]
    assert logger.asked == answers + 1


def test_mlflow_whose_server_is_away_lets_the_run_go_on(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    words = ("logger=mlflow", "logger.mlflow.tracking_uri=http://127.0.0.1:9", "limit_batches=1", "max_epochs=1")
    run.train(settings(*SMALL, *words), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["status"] == "finished"
    assert caplog.text.count("logger=mlflow: nothing more is logged there: ") == 1


def test_the_mode_of_wandb_is_that_of_who_has_logged_in(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("wandb")

    def mode(*words: str) -> str:
        return Wandb(settings("logger=wandb", *words), tmp_path, anew=True)._mode

    with caplog.at_level(logging.INFO):
        assert mode() == "offline"
    assert (
        f"nobody has logged in: offline; later: wandb login; wandb sync {tmp_path}/wandb/offline-run-*" in caplog.text
    )
    with pytest.raises(UserError, match=r"logger\.wandb\.mode=online: nobody has logged in; type wandb login"):
        mode("logger.wandb.mode=online")
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password 0\n")
    assert mode() == "online"
    assert mode("logger.wandb.mode=offline") == "offline"
    (tmp_path / "netrc").unlink()
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert mode() == mode("logger.wandb.mode=online") == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert mode() == "disabled"


def test_where_mlflow_keeps_its_runs(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings("logger=mlflow") | {"root": str(tmp_path)}
    assert MLflow(config, tmp_path, anew=True)._uri == f"sqlite:///{tmp_path}/outputs/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://a")
    assert MLflow(config, tmp_path, anew=True)._uri == "http://a"
    named = settings("logger=mlflow", "logger.mlflow.tracking_uri=http://b")
    assert MLflow(named, tmp_path, anew=True)._uri == "http://b"
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("folder", "words", "title"),
    [
        ("10-11-12-fourier2d", (), "10-11-12-fourier2d"),
        ("compare/3", (), "compare/3"),
        ("compare/3", ("logger.mlflow.name=mine",), "mine"),
    ],
)
def test_a_run_has_the_name_of_its_folder(
    folder: str, words: tuple[str, ...], title: str, settings: Settings, tmp_path: Path
) -> None:
    assert MLflow(settings("logger=mlflow", *words), tmp_path / folder, anew=True).title == title


def test_without_a_logger_the_files_of_a_run_are_the_same(settings: Settings, tmp_path: Path) -> None:
    for name in ("tensorboard", "none"):
        run.train(settings(*FAST, f"logger={name}"), tmp_path / name)
    left, right = (
        {path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("tensorboard", "none")
    )
    assert {path for path in left ^ right if path.parts[0] != "tensorboard"} == set()
    histories = [
        [line.split(",")[:3] for line in (tmp_path / name / "history.csv").read_text().splitlines()]
        for name in ("tensorboard", "none")
    ]
    assert histories[0] == histories[1]

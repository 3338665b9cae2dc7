"""Language modelling: figures by hand, and whole runs on the sentences."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import high_order_nets
from high_order_nets import cli
from high_order_nets.inference.language import LanguageModel
from high_order_nets.tasks import LanguageModelling
from high_order_nets.training.callbacks.lines import Silence

TINY = ["dataset=sentences", "emsize=16", "nhid=16", "nlayers=1", "bptt=16", "fraction=0.1", "trainer=cpu"]
TINY += [
    "scheduler=none",
    "layer_type=polynomial",
    "n=3",
    "rescale_planes=match",
    "batch_size=16",
    "learning_rate=1e-2",
]


class Given(nn.Module):
    """Gives -log p as it is told: tokens (batch, time) are its thousandths."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, tokens: Tensor, following: Tensor) -> Tensor:
        return (tokens[following >= 0] / 1000).mean() * self.scale


def test_the_perplexity_is_that_of_all_tokens() -> None:
    batches: Any = [
        (torch.tensor([[1000, 3000], [2000, 9000]]), torch.tensor([[1, 1], [1, -100]])),
        (torch.tensor([[6000, 9000], [9000, 9000]]), torch.tensor([[1, -100], [-100, -100]])),
    ]
    mean = (1 + 3 + 2 + 6) / 4  # and not (2 + 6) / 2
    task = LanguageModelling(Given(), lambda net, _: torch.optim.SGD(net.parameters(), lr=0.0))
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(accelerator="cpu", callbacks=[Silence()], **quiet)
    (found,) = trainer.test(task, DataLoader(batches, batch_size=None), verbose=False)
    wanted = {"loss": mean, "perplexity": math.exp(mean), "bits_per_token": mean / math.log(2)}
    assert found == pytest.approx({f"test_{key}": value for key, value in wanted.items()})


def figures(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text())


def perplexities(run: Path) -> list[str]:
    with (run / "history.csv").open() as file:
        return [row["val_perplexity"] for row in csv.DictReader(file)]


def test_a_text_is_trained_on_resumed_tested_tabled_drawn_and_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert cli.main(["train", *TINY, "max_epochs=4", "plots.enabled=false", f"run_dir={once}"]) == 0
    for epochs in (2, 4):
        assert cli.main(["train", *TINY, f"max_epochs={epochs}", f"run_dir={twice}"]) == 0
    assert "test perplexity" in capsys.readouterr().out
    whole, resumed = figures(once), figures(twice)
    assert whole["headline"] == "perplexity"
    assert whole["tokens_per_second"] > 0
    keys = [f"{split}_{name}" for split in ("train", "val", "test") for name in ("loss", "perplexity")]
    assert {key: whole[key] for key in keys} == {key: resumed[key] for key in keys}
    assert whole["test_perplexity"] == pytest.approx(math.exp(whole["test_loss"]), rel=1e-5)
    assert perplexities(once) == perplexities(twice)
    assert whole["tested"] == "best"
    assert {path.name for path in (twice / "plots").iterdir()} == {"curves.png", "ranges.png", "synapses.png"}
    assert cli.main(["test", f"ckpt={twice}"]) == 0
    assert f"{whole['test_perplexity']:.2f}" in capsys.readouterr().out
    assert cli.main(["plot", f"ckpt={twice}"]) == 0
    assert cli.main(["table", str(once), str(twice), f"out={tmp_path / 'table'}"]) == 0
    assert f"{whole['test_perplexity']:.2f}" in capsys.readouterr().out
    assert cli.main(["export", f"ckpt={once}", "format=safetensors", f"out={tmp_path / 'x.safetensors'}"]) == 0
    _goes_on(once, tmp_path / "x.safetensors", capsys)


def _goes_on(run: Path, exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder, a folder in it, its checkpoint and what was exported say the same."""
    capsys.readouterr()
    said = []
    for path in (run, run / "tensorboard", run / "checkpoints" / "best.ckpt", exported):
        words = [f"ckpt={path}", "text=the", "tokens=9", "top_k=5", "temperature=0.8", "seed=3"]
        assert cli.main(["predict", *words]) == 0
        said.append(capsys.readouterr().out)
    assert len(set(said)) == 1
    first, rest = said[0].split("\n", 1)
    assert first.startswith("next: ")
    assert first.count("%") == 10
    model = high_order_nets.load(run)
    assert isinstance(model, LanguageModel)
    assert model.tokenizer.encode(rest.rstrip("\n"))[0] == model.tokenizer.encode("the")[0]
    logits = model(torch.tensor([model.encode("the")]))
    assert logits.shape == (1, 1, len(model.tokenizer))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["text="], "text=: empty; expected some words"),
        (["text= "], "text=: empty; expected some words"),
        (["text=the zebu"], "unknown word zebu: not among the"),
        (["text=the", "top_k=0"], "top_k=0: expected a whole number of at least 1"),
        (["text=the", "temperature=hot"], "temperature=hot: expected a number of at least 0"),
        (["text=the", "tokens=-1"], "tokens=-1: expected a whole number of at least 0"),
        (["text=the", "topk=3"], "topk=3: unknown key topk; nearest valid name: top_k"),
        (["x.png"], "x.png: no such file; expected an image"),
    ],
)
def test_what_cannot_be_foretold(
    words: list[str], message: str, language_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["predict", f"ckpt={language_run}", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_texts_and_images_are_told_apart(
    language_run: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "x.png"
    image.write_bytes(b"no image")
    for words, message in (
        ([f"ckpt={language_run}", str(image)], "a language model; give it text=… instead of images"),
        ([f"ckpt={finished}", "text=the"], "trained on images; give it image files instead of text="),
        ([f"ckpt={tmp_path}", "text=the"], "no checkpoint in it; expected the folder of a run"),
    ):
        assert cli.main(["predict", *words]) == 2
        assert message in capsys.readouterr().err


@pytest.fixture(scope="module")
def language_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a run on the sentences; not to be changed."""
    folder = tmp_path_factory.mktemp("language") / "run"
    assert cli.main(["train", *TINY, "max_epochs=1", "plots.enabled=false", f"run_dir={folder}"]) == 0
    return folder


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["dataset=digits", "model_name=transformer"],
            "model_name=transformer: takes text, and dataset=digits is images",
        ),
        (["dataset=sentences", "model_name=simple"], "model_name=simple: takes images, and dataset=sentences is text"),
        (["dataset=sentences", "task=classification"], "task=classification: needs num_classes"),
        (["dataset=sentences", "layer_by_layer=true"], "layer_by_layer=true: Transformer has no stages"),
        (["dataset=sentences", "emsize=15"], "model_name.emsize=15: expected a multiple of nhead=2"),
        (["dataset=sentences", "dropout=1"], "model_name.dropout=1: expected a number"),
        (["dataset=sentences", "softmax=half"], "model_name.softmax=half: expected one of full, adaptive"),
        (["dataset=sentences", "rescale_planes=match", "skip=*.up"], ""),
    ],
)
def test_what_does_not_go_together(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(["train", *words, "trainer=debug", "plots.enabled=false", f"run_dir={tmp_path / 'run'}"])
    assert (status, message in capsys.readouterr().err) == (2 if message else 0, True)

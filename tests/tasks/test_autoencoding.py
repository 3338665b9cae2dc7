"""Autoencoders as tasks: their figures by hand, noise that nothing disturbs, and whole runs."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import high_order_nets
from high_order_nets import cli
from high_order_nets.data.images.digits import load_digits
from high_order_nets.data.images.normalise import Normalisation
from high_order_nets.errors import UserError
from high_order_nets.inference.autoencoder import Autoencoder
from high_order_nets.models.autoencoder import ConvVariationalAutoencoder, autoencoder, variational_autoencoder
from high_order_nets.models.simple import Simple
from high_order_nets.tasks import Autoencoding, VariationalAutoencoding
from high_order_nets.tasks.autoencoding import noise_of
from high_order_nets.training import run
from tests.training.crashes import assert_equal, crash_at, results

SMALL: dict[str, Any] = {"channels": 1, "image_size": 8, "latent": 3, "hidden_channels": 2, "stages": 2}
SCALED = Normalisation.to_interval(1, 4.0)
WORDS = (
    *("experiment=variational_autoencoder", "val_fraction=0.2", "train_fraction=0.3", "batch_size=64"),
    *("model_name.hidden_channels=4", "max_epochs=2"),
)


def images(count: int = 6) -> Tensor:
    return torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8)


def figures_of(task: Any, *batches: Tensor) -> dict[str, float]:
    """Give the figures of a test."""
    with torch.no_grad():
        for inputs in batches:
            found = task.outcome((inputs, torch.zeros(len(inputs))), "test")
            task.figures["test_"].update(**found.metrics, value=found.loss.expand(found.items))
    figures = {name: float(value) for name, value in task.figures["test_"].compute().items()}
    task.figures["test_"].reset()
    return figures


def test_an_autoencoder_is_measured_in_pixels() -> None:
    task = Autoencoding(autoencoder(**SMALL), SCALED, lambda *_: None).eval()
    shown = images()
    found = figures_of(task, SCALED(shown)[:4], SCALED(shown)[4:])
    with torch.no_grad():
        mse = (task.net(SCALED(shown)) - shown / 255).square().mean()
    assert found == pytest.approx(
        {"test_loss": float(mse), "test_rmse": float(mse.sqrt()), "test_psnr": float(-10 * mse.log10())}, rel=1e-5
    )


def test_the_bound_is_that_of_the_codes_drawn() -> None:
    net: ConvVariationalAutoencoder = variational_autoencoder(**SMALL)
    task = VariationalAutoencoding(net, SCALED, lambda *_: None, beta=3.0).eval()
    shown = images()
    with torch.no_grad():
        mean, log_variance = net.distribution(SCALED(shown))
        outputs = net.decoder(mean + log_variance.mul(0.5).exp() * noise_of(list(range(6)), 3))
        likely, white = outputs.sigmoid().double(), shown.double() / 255
        reconstruction = (white * likely.log() + (1 - white) * (1 - likely).log()).sum((1, 2, 3)).mean()
        kl = (mean.square() + log_variance.exp() - 1 - log_variance).double().sum(1).mean() / 2
    found = figures_of(task, SCALED(shown))
    assert found == pytest.approx(
        {
            "test_elbo": float(reconstruction - kl),
            "test_reconstruction": float(reconstruction),
            "test_kl": float(kl),
            "test_loss": float(3 * kl - reconstruction),
        },
        rel=1e-5,
    )


def test_noise_of_the_evaluation_depends_on_the_place_alone() -> None:
    task = VariationalAutoencoding(variational_autoencoder(**SMALL), SCALED, lambda *_: None).eval()
    inputs = SCALED(images())
    whole = figures_of(task, inputs)
    torch.manual_seed(7)
    state = torch.get_rng_state()
    assert figures_of(task, *inputs.split(2)) == pytest.approx(whole, rel=1e-6)
    assert figures_of(task, inputs) == whole
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(noise_of([4, 5], 3), noise_of([0, 4, 5], 3)[1:])
    assert noise_of(list(range(4000)), 2).std().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("task", [Autoencoding, VariationalAutoencoding])
def test_a_network_without_decoder_is_refused(task: type[Autoencoding]) -> None:
    with pytest.raises(UserError, match=r"autoencoder: Simple has no decoder; take model_name=.*autoencoder$"):
        task(Simple(), SCALED, lambda *_: None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("task=autoencoder dataset=function", "task=autoencoder: needs normalisation, and dataset=function is points"),
        ("experiment=autoencoder task=classification", "task=classification: cannot train model_name=autoencoder, whi"),
        ("model_name=variational_autoencoder task=autoencoder", "for task=variational_autoencoder; choose another"),
    ],
)
def test_what_does_not_go_together_is_refused(
    words: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", *words.split(), "trainer=cpu", f"run_dir={tmp_path / 'run'}"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("place", [(VariationalAutoencoding, "on_train_batch_end", 8)])
def test_a_run_that_crashed_ends_as_one_that_was_left_alone(place: Any, settings: Any, tmp_path: Path) -> None:
    config = settings(*WORDS, "checkpoint.every_n_steps=3")
    run.train(config, tmp_path / "alone")
    with crash_at(*place):
        run.train(config, tmp_path / "crashed")
    run.train(config, tmp_path / "crashed")
    assert_equal(results(tmp_path / "alone"), results(tmp_path / "crashed"))


def test_a_run_is_drawn_tested_used_and_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    line = ["train", *WORDS, "max_epochs=1", "plots.layers=1", "trainer=cpu", f"run_dir={folder}"]
    assert cli.main(line) == 0
    figures = json.loads((folder / "metrics.json").read_text())
    assert (figures["headline"], figures["elbo"]) == ("elbo", figures["test_elbo"])
    assert figures["elbo"] == pytest.approx(figures["test_reconstruction"] - figures["test_kl"], rel=1e-5)
    with (folder / "history.csv").open() as file:
        assert {"train_elbo", "val_elbo", "val_kl"} <= set(next(csv.DictReader(file)))
    names = {path.stem for path in (folder / "plots").iterdir()}
    assert names == {"curves", "ranges", "synapses", "reconstructions", "samples", "codes"}
    assert cli.main(["test", f"ckpt={folder}"]) == 0
    assert f"{figures['test_elbo']:.2f}" in capsys.readouterr().out
    assert cli.main(["export", f"ckpt={folder}", "format=torch_export"]) == 0
    assert "reconstructions differ from the network's by at most" in capsys.readouterr().out
    found: Any = high_order_nets.load(folder)
    assert isinstance(found, Autoencoder)
    test_images = load_digits().test_images
    codes = found.encode(test_images)
    assert codes.shape == (len(test_images), 8)
    torch.testing.assert_close(found(test_images), found.decode(codes))
    drawn = found.sample(3, seed=2)
    assert drawn.shape == (3, 1, 8, 8)
    assert torch.equal(found.sample(3, seed=2), drawn)
    assert not torch.equal(found.sample(3), drawn)
    with pytest.raises(ValueError, match=r"codes \(2, 7\) of torch.float32: expected floats \(batch, 8\)"):
        found.decode(torch.zeros(2, 7))


def test_an_autoencoder_has_no_samples() -> None:
    found = Autoencoder(autoencoder(**SMALL), SCALED, {})
    with pytest.raises(ValueError, match=r"^an autoencoder has no prior to sample from; train task=variational"):
        found.sample(1)

"""What was trained is used as it was tested: with its preprocessing, from any of a run's files."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import high_order_nets
from high_order_nets import cli
from high_order_nets.data.images.digits import load_digits
from high_order_nets.data.images.prepared import load_images
from high_order_nets.data.images.tensors import ImageData
from high_order_nets.errors import UserError
from high_order_nets.inference.classifier import Classifier
from high_order_nets.models.stages import Staged

FAST = ("model_name=simple", "dataset=digits", "max_epochs=1", "train_fraction=0.3")


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_digits()


def accuracy(module: Classifier, data: ImageData) -> float:
    with torch.no_grad():
        logits = module(data.test_images)
    return float((logits.argmax(1) == data.test_labels).double().mean())


@pytest.mark.parametrize(
    "extra",
    [
        (),
        ("val_fraction=0.2", "max_epochs=3"),
        ("dataset.normalize=standard", "dataset.image_size=12", "layer_type=fourier"),
        ("layer_by_layer=true", "max_epochs=2", "layer_type=continuous", "segments=2", "parameters=nodal"),
        ("layer_type=standard", "precision=64-true", "loss=mse"),
    ],
)
def test_the_accuracy_is_that_of_the_test(trained, tmp_path: Path, digits: ImageData, extra: tuple[str, ...]) -> None:
    metrics = trained(*FAST, *extra)
    tested = tmp_path / "run" / "checkpoints" / f"{metrics['tested']}.ckpt"
    for path in (tmp_path / "run", tmp_path / "run" / "model.safetensors", tested):
        module = high_order_nets.load(path)
        assert isinstance(module, Classifier)
        assert accuracy(module, digits) == pytest.approx(metrics["test_acc"], abs=1e-6)
        assert module.metadata["metrics"]["test_acc"] == metrics["test_acc"]
        assert module.metadata["config"]["n"] == 3
        assert module.classes == digits.classes
        assert not any(part.training for part in module.modules())
        assert all(parameter.requires_grad for parameter in module.parameters())


def test_colour_and_many_classes(trained, tmp_path: Path, data_root: Path) -> None:
    metrics = trained("dataset=cifar100", "model_name=simple", "max_epochs=1")
    data = load_images("cifar100", data_root)
    module = high_order_nets.load(tmp_path / "run")
    assert isinstance(module, Classifier)
    assert accuracy(module, data) == pytest.approx(metrics["test_acc"], abs=1e-6)


def test_floats_and_other_sizes(finished: Path, digits: ImageData) -> None:
    module = high_order_nets.load(finished)
    images = digits.test_images[:5]
    torch.testing.assert_close(module(images / 255), module(images))
    larger = images.repeat_interleave(3, 2).repeat_interleave(2, 3)  # 24 × 16: neither size nor shape of the data set
    torch.testing.assert_close(module(larger), module(images), atol=0.5, rtol=0.2)
    torch.testing.assert_close(module.probabilities(images).sum(1), torch.ones(5))
    pixels = (images / 255).requires_grad_()
    module(pixels).sum().backward()
    assert pixels.grad is not None


def test_a_part_trained_stage_by_stage_is_loaded_as_it_was_tested(trained, tmp_path: Path) -> None:
    trained(*FAST, "layer_by_layer=true", "epochs_per_layer=2", "trainer=debug")
    net = high_order_nets.load(tmp_path / "run").net
    assert isinstance(net, Staged)
    assert net.current == 0


def test_loading_leaves_the_random_state_alone(finished: Path) -> None:
    state = torch.random.get_rng_state()
    high_order_nets.load(str(finished))
    assert state.equal(torch.random.get_rng_state())


def test_images_that_would_be_nonsense_are_refused(finished: Path, digits: ImageData) -> None:
    module = high_order_nets.load(finished)
    images = digits.test_images[:2]
    for wrong, said in [
        (images.float(), r"in \[0, 1\]"),
        (images.long(), "int64"),
        (images[0], "expected"),
        (images.expand(2, 3, 8, 8), "expected"),
    ]:
        with pytest.raises(ValueError, match=said):
            module(wrong)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"classes": "[]"}, "does not say its classes"),
        ({"classes": "[1, 2]"}, "does not say its classes"),
        ({"normalisation": '{"offset": [1], "factor": [], "image_size": 8}'}, "does not say"),
        ({"normalisation": '{"offset": [NaN], "factor": [1], "image_size": 8}'}, "does not say"),
        ({"normalisation": '{"offset": [1], "factor": [1], "image_size": 1000000}'}, "does not say"),
        ({"normalisation": '{"offset": [1], "factor": [1], "image_size": null}'}, "does not say"),
        ({"classes": '["a", "b"]'}, "another model"),
        ({"config": "{}"}, "none of high-order-nets"),
        ({"config": "[" * 100_000}, "not the weights"),
        ({"config": "not json"}, "not the weights"),
    ],
)
def test_files_that_do_not_say_enough_are_refused(
    finished: Path, tmp_path: Path, edit: dict[str, str], said: str
) -> None:
    path = finished / "model.safetensors"
    metadata = {key: json.dumps(value) for key, value in high_order_nets.load(path).metadata.items()}
    save_file(load_file(path), tmp_path / "x.safetensors", metadata | edit)
    with pytest.raises(UserError, match=said):
        high_order_nets.load(tmp_path / "x.safetensors")


def test_predict_names_the_classes(finished: Path, tmp_path: Path, digits: ImageData, capsys) -> None:
    module = high_order_nets.load(finished)
    probabilities = module.probabilities(digits.test_images).detach()
    best = int(probabilities.amax(1).argmax())
    named = f"{digits.classes[int(probabilities[best].argmax())]} {float(probabilities[best].max()):.1%}"
    grey, colour = tmp_path / "grey.png", tmp_path / "an image.bmp"
    Image.fromarray(digits.test_images[best, 0].numpy()).save(grey)
    Image.open(grey).convert("RGBA").resize((32, 24)).save(colour)
    capsys.readouterr()
    assert cli.main(["predict", f"ckpt={finished}", str(grey), str(colour)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{grey}      {named}  ")
    assert first.count("%") == second.count("%") == 3
    assert second.startswith(f"{colour}  ")


def test_predict_refuses_in_one_line(finished: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n\x1b[2J not an image")
    for argv, said in [
        ([f"ckpt={finished}", f"{tmp_path}/x.png"], "not an image"),
        ([f"ckpt={finished}", f"{tmp_path}/nosuch.png"], "no such file"),
        ([f"ckpt={finished}"], "expected image files"),
        ([f"{tmp_path}/x.png"], "expected ckpt=PATH"),
        ([f"ckpt={tmp_path}/nosuch", f"{tmp_path}/x.png"], "no such file"),
        ([f"ckpt={tmp_path}/x.png", f"{tmp_path}/x.png"], "not a readable checkpoint"),
    ]:
        capsys.readouterr()
        assert cli.main(["predict", *argv]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert said in err


def test_names_from_a_file_cannot_command_the_terminal(
    finished: Path, tmp_path: Path, digits: ImageData, capsys
) -> None:
    path = finished / "model.safetensors"
    metadata = high_order_nets.load(path).metadata | {"classes": ["\x1b]0;owned\x07\x9b2J\r"] * 10}
    save_file(load_file(path), tmp_path / "x.safetensors", {key: json.dumps(value) for key, value in metadata.items()})
    Image.fromarray(digits.test_images[0, 0].numpy()).save(tmp_path / "x.png")
    capsys.readouterr()
    assert cli.main(["predict", f"ckpt={tmp_path}/x.safetensors", f"{tmp_path}/x.png"]) == 0
    assert not set(capsys.readouterr().out) & {"\x1b", "\x07", "\x9b", "\r"}


def test_averaged_weights_are_used_where_they_are_asked_for(
    trained, tmp_path: Path, digits: ImageData, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = trained(*FAST, "ema.decay=0.5", "accumulate=2")
    folder = tmp_path / "run"
    for path in (folder, folder / "model.ema.safetensors", folder / "checkpoints" / "last.ckpt"):
        module = high_order_nets.load(path, weights="ema")
        assert isinstance(module, Classifier)
        assert accuracy(module, digits) == pytest.approx(metrics["test_ema_acc"], abs=1e-6)
        assert module.metadata["weights"] == "ema"
    averaged, raw = load_file(folder / "model.ema.safetensors"), load_file(folder / "model.safetensors")
    assert averaged.keys() == raw.keys()
    assert not averaged["fc.weight"].equal(raw["fc.weight"])
    with pytest.raises(UserError, match=r"^weights=ema: ckpt=.* has no average of its weights; train with ema\.decay="):
        high_order_nets.load(folder / "model.safetensors", weights="ema")
    assert cli.main(["test", f"ckpt={folder}"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"test accuracy, averaged weights │ {metrics['test_ema_acc']:.2%}" in shown
    last = folder / "checkpoints" / "last.ckpt"
    assert cli.main(["export", f"ckpt={last}", "format=safetensors", "weights=ema"]) == 0
    assert load_file(last.with_name("last.ema.safetensors"))["fc.weight"].equal(averaged["fc.weight"])
    assert cli.main(["predict", f"ckpt={folder}", "weights=avg", __file__]) == 2
    assert "weights=avg: expected one of raw, ema" in capsys.readouterr().err

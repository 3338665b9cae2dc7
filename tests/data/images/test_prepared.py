import gzip
import multiprocessing
import pickle
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

from high_order_nets.data.images.prepared import KEYS, load_images
from high_order_nets.data.images.sources import MNIST_SHA256, find_source
from high_order_nets.errors import UserError
from tests.data.conftest import cifar_archive, make_images, md5, write_files

NOWHERE = "http://127.0.0.1:9/"  # the discard port: the connection is refused


def lay_cifar10(root: Path, payloads: dict[str, bytes]) -> Path:
    folder = root / "cifar-10-batches-py"
    write_files(folder, payloads)
    return folder


def write_prepared(path: Path, metadata: dict[str, str] | None = None, **changes: torch.Tensor | None) -> None:
    data = make_images()
    tensors = {key: getattr(data, key) for key in KEYS} | changes
    kept = {key: tensor.contiguous() for key, tensor in tensors.items() if tensor is not None}
    save_file(kept, path, {"dataset": "cifar10", "classes": '["a", "b", "c"]'} | (metadata or {}))


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_cifar_is_prepared_from_torchvisions_files(tmp_path, cifar10):
    lay_cifar10(tmp_path, cifar10)
    data = load_images("cifar10", tmp_path)
    reference = torchvision.datasets.CIFAR10(tmp_path, train=True)
    assert data.classes == ("cat", "dog", "owl")
    assert data.train_images.shape == (20, 3, 32, 32)
    assert data.test_images.shape == (4, 3, 32, 32)
    assert torch.equal(data.train_images, torch.from_numpy(reference.data).permute(0, 3, 1, 2))
    assert data.train_labels.tolist() == reference.targets


def test_prepared_file_is_used_without_the_originals(tmp_path, cifar10):
    folder = lay_cifar10(tmp_path, cifar10)
    first = load_images("cifar10", tmp_path)
    for path in folder.iterdir():
        path.unlink()
    (tmp_path / "cifar10.safetensors").chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        second = load_images("cifar10", tmp_path)
    finally:
        tmp_path.chmod(0o755)
    assert all(torch.equal(getattr(first, key), getattr(second, key)) for key in KEYS)
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part"))


def test_prepared_file_has_the_documented_form(tmp_path, cifar10):
    lay_cifar10(tmp_path, cifar10)
    load_images("cifar10", tmp_path)
    tensors = load_file(tmp_path / "cifar10.safetensors")
    assert {key: tensor.dtype for key, tensor in tensors.items()} == dict(
        zip(KEYS, [torch.uint8, torch.int64] * 2, strict=True)
    )


def test_mnist_is_prepared_from_its_raw_files(tmp_path, mnist):
    write_files(tmp_path / "MNIST" / "raw", mnist)
    data = load_images("mnist", tmp_path)
    assert data.train_images.shape == (6, 1, 28, 28)
    assert data.test_labels.tolist() == [0, 1, 2, 3]
    assert data.train_images.numpy().tobytes() == mnist["train-images-idx3-ubyte"][16:]
    assert data.classes == tuple("0123456789")


@pytest.mark.parametrize("name", ["data_batch_3", "batches.meta"])
def test_wrong_cifar_checksum_names_the_file_and_unpickles_nothing(tmp_path, cifar10, monkeypatch, name):
    folder = lay_cifar10(tmp_path, cifar10)
    (folder / name).write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    monkeypatch.setattr("pickle.load", lambda *_, **__: pytest.fail("opened a pickle that was not verified"))
    with pytest.raises(UserError, match="delete it") as error:
        load_images("cifar10", tmp_path)
    assert str(folder / name) in one_line(error)
    assert not (tmp_path / "cifar10.safetensors").exists()


def test_wrong_mnist_checksum_names_the_file(tmp_path, mnist):
    folder = tmp_path / "MNIST" / "raw"
    write_files(folder, mnist)
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError) as error:
        load_images("mnist", tmp_path)
    assert str(path) in one_line(error)


def test_mnist_checksums_cover_torchvisions_files():
    assert [f"{name}.gz" for name in MNIST_SHA256] == [name for name, _ in torchvision.datasets.MNIST.resources]


def test_no_data_and_no_network_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", NOWHERE + "cifar.tar.gz")
    with pytest.raises(UserError) as error:
        load_images("cifar10", tmp_path)
    message = one_line(error)
    for part in (NOWHERE, str(tmp_path / "cifar-10-batches-py"), "dataset=digits"):
        assert part in message


def test_every_mirror_is_tried_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [NOWHERE + "a/", NOWHERE + "b/"])
    with pytest.raises(UserError) as error:
        load_images("mnist", tmp_path)
    assert f"{NOWHERE}a/train-images" in one_line(error)
    assert f"{NOWHERE}b/train-images" in one_line(error)


def test_download_by_torchvision_falls_back_to_the_second_mirror(tmp_path, mnist, server, monkeypatch):
    write_files(server.folder, {f"{name}.gz": gzip.compress(payload, mtime=0) for name, payload in mnist.items()})
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [NOWHERE, server.url])
    data = load_images("mnist", tmp_path / "root")
    assert len(data.train_images) == 6
    assert server.fetched == [f"/{name}.gz" for name in mnist]


def test_archive_that_lies_there_is_not_fetched_again(tmp_path, cifar10, monkeypatch):
    archive = cifar_archive(cifar10)
    dataset = torchvision.datasets.CIFAR10
    monkeypatch.setattr(dataset, "tgz_md5", md5(archive))
    monkeypatch.setattr(dataset, "url", NOWHERE)
    write_files(tmp_path, {dataset.filename: archive})
    assert len(load_images("cifar10", tmp_path).train_images) == 20


def test_corrupt_download_names_the_archive(tmp_path, cifar10, server, monkeypatch):
    dataset = torchvision.datasets.CIFAR10
    write_files(server.folder, {dataset.filename: b"<html>not here</html>"})
    monkeypatch.setattr(dataset, "url", server.url + dataset.filename)
    with pytest.raises(UserError, match="corrupted") as error:
        load_images("cifar10", tmp_path)
    assert str(tmp_path / dataset.filename) in one_line(error)


def prepare_in_child(root: Path, together, counts) -> None:
    torch.set_num_threads(1)  # a forked process has lost its parent's threads
    together.wait()
    counts.put(len(load_images("cifar10", root).train_images))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a safe fork, which hands the fake data set to the children")
def test_two_processes_prepare_one_set_with_one_download(tmp_path, cifar10, server, monkeypatch):
    dataset = torchvision.datasets.CIFAR10
    archive = cifar_archive(cifar10)
    write_files(server.folder, {dataset.filename: archive})
    monkeypatch.setattr(dataset, "tgz_md5", md5(archive))
    monkeypatch.setattr(dataset, "url", server.url + dataset.filename)
    fork = multiprocessing.get_context("fork")
    together, counts = fork.Barrier(2), fork.Queue()
    children = [fork.Process(target=prepare_in_child, args=(tmp_path / "root", together, counts)) for _ in range(2)]
    for child in children:
        child.start()
    assert [counts.get(timeout=60) for _ in children] == [20, 20]
    for child in children:
        child.join(timeout=60)
    assert server.fetched == [f"/{dataset.filename}"]


def test_garbage_truncated_and_empty_files_are_refused(tmp_path):
    path = tmp_path / "cifar10.safetensors"
    write_prepared(path)
    whole = path.read_bytes()
    for payload in (b"", b"abc", b"hello world" * 99, whole[:-1], whole[: len(whole) // 2]):
        path.write_bytes(payload)
        with pytest.raises(UserError, match="delete it and run again") as error:
            load_images("cifar10", tmp_path)
        assert str(path) in one_line(error)


@pytest.mark.parametrize(
    ("metadata", "changes", "reason"),
    [
        ({"dataset": "cifar100"}, {}, "cifar100"),
        ({"classes": "not json"}, {}, "Expecting value"),
        ({"classes": "3"}, {}, "class names"),
        ({"classes": '["a"]'}, {}, "labels lie outside"),
        ({}, {"test_images": None}, "test_images"),
        ({}, {"train_images": torch.zeros(10, 3, 8, 8)}, "float32"),
        ({}, {"train_images": torch.zeros(10, 64, dtype=torch.uint8)}, "not square"),
        ({}, {"test_images": torch.zeros(5, 1, 8, 8, dtype=torch.uint8)}, "differ in shape"),
        ({}, {"train_labels": torch.zeros(9, dtype=torch.int64)}, "not one int64"),
        ({}, {"train_labels": torch.full((10,), -1)}, "labels lie outside"),
    ],
)
def test_foreign_files_are_refused(tmp_path, metadata, changes, reason):
    path = tmp_path / "cifar10.safetensors"
    write_prepared(path, metadata, **changes)
    with pytest.raises(UserError, match=reason) as error:
        load_images("cifar10", tmp_path)
    assert str(path) in one_line(error)


def test_unusable_root_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"dataset\.root") as error:
        load_images("cifar10", tmp_path / "file")
    one_line(error)


def test_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(UserError, match="digits, mnist, cifar10, cifar100"):
        load_images("imagenet", tmp_path)


def test_any_name_with_a_prepared_file_is_a_data_set(tmp_path):
    write_prepared(tmp_path / "mine.safetensors", {"dataset": "mine"})
    assert load_images("mine", tmp_path).classes == ("a", "b", "c")


def test_digits_need_no_root():
    data = load_images("digits", Path("/nonexistent"))
    assert data.classes == tuple("0123456789")
    assert {data.train_images.dtype, data.test_images.dtype} == {torch.uint8}
    assert data.train_images.shape == (1438, 1, 8, 8)
    assert data.test_images.shape == (359, 1, 8, 8)
    assert data.train_images.max() == 255
    assert data.test_labels.bincount().tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]
    places = torch.arange(359)
    checksum = (data.test_images.flatten(1).sum(1) * places).sum().item()
    assert checksum == 317113193, "the split changed: results are no longer comparable"


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100"])
def test_sources_state_a_checksum_for_every_file(tmp_path, name):
    source = find_source(name, tmp_path)
    assert not source.present()
    assert all(len(file.digest) == {"md5": 32, "sha256": 64}[file.algorithm] for file in source.files)
    assert all(url.startswith("http") for archive in source.archives for url in archive.urls)


def test_a_pickle_in_the_place_of_a_prepared_file_is_not_opened(tmp_path):
    marker = tmp_path / "marker"

    class Hostile:
        def __reduce__(self):
            return Path.touch, (marker,)

    (tmp_path / "mine.safetensors").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(UserError, match="not a prepared mine"):
        load_images("mine", tmp_path)
    assert not marker.exists()

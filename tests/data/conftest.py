"""Small fake data sets in torchvision's own formats, with the checksums that make torchvision accept them."""

import functools
import gzip
import hashlib
import http.server
import io
import pickle
import struct
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from high_order_nets.data.images import sources
from high_order_nets.data.images.tensors import ImageData


def md5(payload: bytes) -> str:
    return hashlib.md5(payload).hexdigest()


def make_images(count: int = 10, channels: int = 3, size: int = 8, seed: int = 0) -> ImageData:
    """Random images, half as many to test, of three classes."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count + count // 2, channels, size, size), dtype=torch.uint8, generator=generator)
    labels = torch.arange(len(images)) % 3
    return ImageData("noise", ("a", "b", "c"), images[:count], labels[:count], images[count:], labels[count:])


def cifar_payloads() -> dict[str, bytes]:
    """The members of a CIFAR-10 archive, four images a batch."""
    rng = np.random.default_rng(0)
    payloads = {}
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        pixels = rng.integers(0, 256, (4, 3072), dtype=np.uint8)
        payloads[name] = pickle.dumps({"data": pixels, "labels": [0, 1, 2, 1]})
    return payloads | {"batches.meta": pickle.dumps({"label_names": ["cat", "dog", "owl"]})}


def mnist_payloads() -> dict[str, bytes]:
    """The four idx files of MNIST, six training and four test images."""
    rng = np.random.default_rng(0)
    payloads = {}
    for split, count in (("train", 6), ("t10k", 4)):
        pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        payloads[f"{split}-images-idx3-ubyte"] = struct.pack(">4i", 0x803, count, 28, 28) + pixels.tobytes()
        payloads[f"{split}-labels-idx1-ubyte"] = struct.pack(">2i", 0x801, count) + bytes(range(count))
    return payloads


def cifar_archive(payloads: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, payload in payloads.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(payload)
            tar.addfile(member, io.BytesIO(payload))
    return stream.getvalue()


def write_files(folder: Path, payloads: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, payload in payloads.items():
        (folder / name).write_bytes(payload)


@pytest.fixture
def cifar10(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Make torchvision believe in the small CIFAR-10; return its files."""
    payloads = cifar_payloads()
    dataset = torchvision.datasets.CIFAR10
    train = [[name, md5(payload)] for name, payload in payloads.items() if name.startswith("data")]
    monkeypatch.setattr(dataset, "train_list", train)
    monkeypatch.setattr(dataset, "test_list", [["test_batch", md5(payloads["test_batch"])]])
    monkeypatch.setattr(dataset, "meta", dataset.meta | {"md5": md5(payloads["batches.meta"])})
    return payloads


@pytest.fixture
def mnist(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Make the package and torchvision believe in the small MNIST; return its files."""
    payloads = mnist_payloads()
    digests = {name: hashlib.sha256(payload).hexdigest() for name, payload in payloads.items()}
    monkeypatch.setattr(sources, "MNIST_SHA256", digests)
    resources = [(f"{name}.gz", md5(gzip.compress(payload, mtime=0))) for name, payload in payloads.items()]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    return payloads


class Server:
    """Serves a folder on localhost and records what was fetched."""

    def __init__(self, folder: Path):
        self.folder, self.fetched = folder, []
        handler = functools.partial(_Handler, self.fetched, directory=str(folder))
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, fetched, *args, **kwargs):
        self.fetched = fetched
        super().__init__(*args, **kwargs)

    def do_GET(self):
        if self.headers.get("User-Agent", "").startswith("Python-urllib"):  # as some mirrors do
            self.send_error(403)
            return
        if self.headers.get("Method") != "HEAD":  # how torchvision marks its look at redirects, a GET too
            self.fetched.append(self.path)
        super().do_GET()

    def log_message(self, format, *args):
        """Keep the test's output clean."""


@pytest.fixture
def server(tmp_path: Path):
    folder = tmp_path / "served"
    folder.mkdir()
    server = Server(folder)
    yield server
    server.http.shutdown()
    server.http.server_close()

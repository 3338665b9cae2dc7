"""Where torchvision keeps MNIST and CIFAR under a root, from where it gets them, and how they are read.

Paths, URLs and MD5 sums are torchvision's own class attributes. torchvision is imported inside functions: it is slow,
and a prepared data set never needs it.
"""

import hashlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...errors import UserError
from ..download import TIMEOUT, first_of
from .tensors import ImageData

# torchvision has checksums of the archives only; these are of the files inside.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@dataclass(frozen=True)
class RawFile:
    """Names one file of torchvision's layout and the checksum it must have."""

    path: Path
    algorithm: str
    digest: str


@dataclass(frozen=True)
class Archive:
    """Names one archive: its mirrors, the folder it is downloaded to and unpacked in, its file name and MD5."""

    urls: tuple[str, ...]
    folder: Path
    filename: str
    md5: str


@dataclass(frozen=True)
class Source:
    """Says how one data set is found, fetched and read."""

    name: str
    folder: Path
    files: tuple[RawFile, ...]
    archives: tuple[Archive, ...]
    read: Callable[[], ImageData]

    def present(self) -> bool:
        """Tell whether every file lies in the root."""
        return all(file.path.is_file() for file in self.files)

    def verify(self) -> None:
        """Compare every file with its checksum; raise UserError naming the first that differs."""
        for file in self.files:
            with file.path.open("rb") as stream:
                found = hashlib.file_digest(stream, lambda a=file.algorithm: hashlib.new(a, usedforsecurity=False))
            if found.hexdigest() != file.digest:
                raise UserError(
                    f"{file.path}: its {file.algorithm} is {found.hexdigest()}, that of the official file is "
                    f"{file.digest}; delete it and run again"
                )

    def download(self) -> None:
        """Fetch and unpack the archives; one that lies there with the right MD5 is not fetched again."""
        for archive in self.archives:
            self._fetch(archive)

    def _fetch(self, archive: Archive) -> None:
        from torchvision.datasets.utils import download_and_extract_archive  # noqa: PLC0415

        def get(url: str) -> None:
            with _socket_timeout(TIMEOUT):
                download_and_extract_archive(url, archive.folder, filename=archive.filename, md5=archive.md5)

        if causes := first_of(archive.urls, get):
            raise UserError(
                f"cannot get {archive.folder / archive.filename} from {causes}: put the files of {self.name} under "
                f"{self.folder}, set $HIGH_ORDER_NETS_DATA to a folder that has them, or use dataset=digits, which "
                "needs no download"
            )


def find_source(name: str, root: Path) -> Source:
    """Describe where the data set `name` (a key of `SOURCES`) lies under `root`."""
    return SOURCES[name](name, root)


def _cifar(name: str, root: Path) -> Source:
    dataset = _torchvision_class(name)
    folder = root / dataset.base_folder
    sums = [*dataset.train_list, *dataset.test_list, (dataset.meta["filename"], dataset.meta["md5"])]
    return Source(
        name,
        folder,
        files=tuple(RawFile(folder / filename, "md5", md5) for filename, md5 in sums),
        archives=(Archive((dataset.url,), root, dataset.filename, dataset.tgz_md5),),
        read=lambda: _read_cifar(name, dataset, root),
    )


def _mnist(name: str, root: Path) -> Source:
    dataset = _torchvision_class(name)
    folder = root / "MNIST" / "raw"
    archives = (Archive(tuple(m + gz for m in dataset.mirrors), folder, gz, md5) for gz, md5 in dataset.resources)
    return Source(
        name,
        folder,
        files=tuple(RawFile(folder / filename, "sha256", digest) for filename, digest in MNIST_SHA256.items()),
        archives=tuple(archives),
        read=lambda: _read_mnist(name, folder),
    )


SOURCES: dict[str, Callable[[str, Path], Source]] = {"mnist": _mnist, "cifar10": _cifar, "cifar100": _cifar}


def _torchvision_class(name: str) -> Any:
    from torchvision import datasets  # noqa: PLC0415

    return getattr(datasets, name.upper())


def _read_cifar(name: str, dataset: Any, root: Path) -> ImageData:
    # The constructors unpickle; they check every MD5 once more before they do.
    train, test = dataset(root, train=True), dataset(root, train=False)
    images = [torch.from_numpy(split.data).permute(0, 3, 1, 2).contiguous() for split in (train, test)]
    labels = [torch.tensor(split.targets, dtype=torch.int64) for split in (train, test)]
    return ImageData(name, tuple(train.classes), images[0], labels[0], images[1], labels[1])


def _read_mnist(name: str, folder: Path) -> ImageData:
    # Not torchvision's MNIST class: it prefers an old processed/*.pt to the files that were verified.
    from torchvision.datasets.mnist import read_image_file, read_label_file  # noqa: PLC0415

    images = [read_image_file(str(folder / f"{split}-images-idx3-ubyte")).unsqueeze(1) for split in ("train", "t10k")]
    labels = [read_label_file(str(folder / f"{split}-labels-idx1-ubyte")) for split in ("train", "t10k")]
    classes = tuple(str(digit) for digit in range(10))
    return ImageData(name, classes, images[0], labels[0], images[1], labels[1])


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Bound the wait of sockets opened inside; torchvision's download sets no limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

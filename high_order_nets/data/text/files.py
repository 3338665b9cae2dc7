"""Where texts lie, from where they come, and how they are read: WikiText, and one's own."""

import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ...errors import UserError
from ..download import download, extract, first_of, md5_of

log = logging.getLogger(__name__)

SPLITS = ("train", "valid", "test")
ENDINGS = (".txt", ".tokens")


@dataclass(frozen=True)
class TextFiles:
    """A text in files: `lines` gives those of a split, train, valid or test, without their ends.

    `stem` begins the name of its prepared file. `counts` are the numbers of tokens that it must have by the convention
    of words, by split and as `words` in the vocabulary; {} where any text will do.
    """

    stem: str
    folder: Path
    paths: Sequence[Path]
    lines: Callable[[str], Iterable[str]]
    fetch: Callable[[], None] = lambda: None
    counts: Mapping[str, int] = field(default_factory=dict)

    def present(self) -> bool:
        """Tell whether all files are there."""
        return all(path.is_file() for path in self.paths)


@dataclass(frozen=True)
class Release:
    """A WikiText (Merity et al. 2016): the folder that it unpacks to, its archive's MD5, its numbers of tokens."""

    folder: str
    md5: str
    counts: Mapping[str, int]


WIKITEXT = {
    "wikitext2": Release(
        "wikitext-2",
        "542ccefacc6c27f945fb54453812b3cd",
        {"train": 2_088_628, "valid": 217_646, "test": 245_569, "words": 33_278},
    ),
    "wikitext103": Release(
        "wikitext-103",
        "9ddaacaf6af0710eda8c456decff7832",
        {"train": 103_227_021, "valid": 217_646, "test": 245_569, "words": 267_735},
    ),
}


def wikitext(name: str, root: Path, urls: Sequence[str], path: Path | None = None) -> TextFiles:
    """Describe a WikiText under a root, to be fetched from the first of the URLs that has its archive.

    With a path, that is the folder of its files, and nothing is fetched.
    """
    release = WIKITEXT[name]
    folder = path or root / release.folder
    if path is not None and not path.is_dir():
        raise UserError(f"dataset.path={path}: no such folder; expected that of wiki.{{train,valid,test}}.tokens")
    paths = {split: folder / f"wiki.{split}.tokens" for split in SPLITS}

    def fetch() -> None:
        if path is not None:
            raise UserError(f"dataset.path={path}: does not hold wiki.{{train,valid,test}}.tokens")
        archive = root / f"{release.folder}-v1.zip"
        if not archive.is_file() or md5_of(archive) != release.md5:
            log.info("downloading %s to %s", release.folder, root)
            if causes := first_of(urls, lambda url: download(url, archive, release.md5)):
                raise UserError(
                    f"cannot get {archive} from {causes}: put it there, or wiki.{{train,valid,test}}.tokens into "
                    f"{folder}; set $HIGH_ORDER_NETS_DATA to a folder that has them, add an address to dataset.urls, "
                    "or use dataset=sentences, which needs no download"
                )
        extract(archive, {f"{release.folder}/{path.name}": path for path in paths.values()})

    return TextFiles(
        release.folder,
        folder,
        tuple(paths.values()),
        lambda split: read_lines(paths[split]),
        fetch,
        release.counts,
    )


def own_text(path: Path, val_fraction: float, test_fraction: float) -> TextFiles:
    """Describe a folder with a file for each split, or one file that is split: its last lines are the test's.

    The name of what is prepared of it has a digest of it, so that a changed text is another.
    """
    if not path.exists():
        raise UserError(
            f"dataset.path={path}: no such file or folder; it must hold text, or train, valid and test files"
        )
    if path.is_dir():
        paths = {split: _file_of(split, path) for split in SPLITS}
        return TextFiles(_stem(path, paths.values()), path, tuple(paths.values()), lambda s: read_lines(paths[s]))
    parts = cache(lambda: _split(list(read_lines(path)), path, val_fraction, test_fraction))
    stem = _stem(path, [path], val_fraction, test_fraction)
    return TextFiles(stem, path, (path,), lambda split: parts()[split])


def read_lines(path: Path) -> Iterator[str]:
    """Give the lines of a file in UTF-8, without their ends."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line in file:
                yield line.removesuffix("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8 ({error.reason} at byte {error.start} of a part of it)") from error


def digest(paths: Iterable[Path], *numbers: float) -> str:
    """Return 12 digits that tell the contents of the files, and the numbers, from others."""
    total = hashlib.sha256(repr(numbers).encode())
    for path in paths:
        with path.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()[:12]


def _stem(path: Path, paths: Iterable[Path], *numbers: float) -> str:
    name = re.sub(r"[^\w-]+", "_", path.stem)
    return f"{name}-{digest(paths, *numbers)}"


def _file_of(split: str, folder: Path) -> Path:
    """Find train.txt, train.tokens or wiki.train.tokens."""
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix in ENDINGS and path.stem.rpartition(".")[2] == split and path.is_file()
    ]
    if len(found) == 1:
        return found[0]
    there = f"has both {found[0].name} and {found[1].name}" if found else f"has no {split}.txt or {split}.tokens"
    raise UserError(f"dataset.path={folder}: {there}; expected one file each for train, valid and test")


def _split(lines: list[str], path: Path, val_fraction: float, test_fraction: float) -> dict[str, list[str]]:
    val, test = round(val_fraction * len(lines)), round(test_fraction * len(lines))
    train = len(lines) - val - test
    if train < 1 or test < 1 or (val_fraction > 0 and val < 1):
        raise UserError(
            f"val_fraction={val_fraction} and dataset.test_fraction={test_fraction} of {len(lines)} lines of {path} "
            f"leave {train} to train on, {val} to validate and {test} to test: use other fractions, or a longer text"
        )
    return {"train": lines[:train], "valid": lines[train : train + val], "test": lines[train + val :]}

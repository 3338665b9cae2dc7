"""Texts as rows of tokens: tokenised once into a file of integers, which is mapped into memory afterwards."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from ...errors import UserError, show
from ...files import whole_file
from ..prepared import prepared, read_tensors
from .files import SPLITS, WIKITEXT, TextFiles, digest, own_text, wikitext
from .sentences import sentences
from .tokenizer import BytePairTokenizer, NoTokenizer, Tokenizer, WordTokenizer, byte_pair_library, tokenizer_from

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Corpus:
    """The splits of a text, each a row of tokens, int32 (N,); `valid` is empty where there is none."""

    tokenizer: Tokenizer
    train: Tensor
    valid: Tensor
    test: Tensor


@dataclass(frozen=True)
class TextRequest:
    """Says which text is wanted: `name` is sentences, wikitext2, wikitext103, or text for what lies at `path`.

    Of WikiText `path` is the folder of its files, where that is none under `root`. `vocabulary` is the size for
    tokenizer bpe; `min_count` how often a word must come to have a number of its own.
    """

    name: str
    root: Path
    tokenizer: str = "word"
    vocabulary: int = 8192
    min_count: int = 1
    urls: tuple[str, ...] = ()
    path: Path | None = None
    val_fraction: float = 0.0
    test_fraction: float = 0.1

    @property
    def folder(self) -> Path | None:
        """The path as an absolute one."""
        return None if self.path is None else self.path.expanduser().absolute()

    @property
    def place(self) -> Path:
        """The folder that what is prepared goes to: beside WikiText's own files, else the root."""
        own = self.folder if self.name in WIKITEXT else None
        return own or self.root.expanduser().absolute()

    def trained(self, lines: Callable[[str], Iterable[str]]) -> Tokenizer:
        """Make the tokenizer of the training split."""
        if self.tokenizer == "bpe":
            return BytePairTokenizer.trained(lines("train"), self.vocabulary)
        return WordTokenizer.trained(lines("train"), self.min_count)

    @property
    def label(self) -> str:
        """Name the tokenizer, so that each has a prepared file of its own."""
        return f"bpe{self.vocabulary}" if self.tokenizer == "bpe" else f"word{self.min_count}".removesuffix("1")


def load_corpus(request: TextRequest) -> Corpus:
    """Open a text: map ROOT/<stem>.<tokenizer>.safetensors where it exists, else make it, of its files or a download.

    Raises UserError for a bad file, a text with other numbers of tokens than it should have, or neither text nor
    network.
    """
    if request.name == "sentences":
        tokenizer = request.trained(sentences)
        return Corpus(tokenizer, *(tokenizer.tokens(sentences(split)) for split in SPLITS))
    if request.tokenizer == BytePairTokenizer.kind:
        byte_pair_library()  # before a download
    files = find_text(request)
    path = prepared(
        request.place / f"{files.stem}.{request.label}.safetensors",
        partial(_make, files, request),
        files.present,
        lambda: f"{files.stem}-{digest(files.paths)}.{request.label}.safetensors",
    )
    return read_prepared(path, files.stem)


def find_text(request: TextRequest) -> TextFiles:
    """Describe where the text lies."""
    if request.name in WIKITEXT:
        return wikitext(request.name, request.place, request.urls, request.folder)
    if request.name != "text":
        known = ", ".join(("sentences", *WIKITEXT, "text"))
        raise UserError(f"dataset.name={show(request.name)}: unknown text; expected one of {known}")
    if (folder := request.folder) is None:
        raise UserError("dataset.path=null: name a text file, or a folder with train, valid and test files")
    return own_text(folder, request.val_fraction, request.test_fraction)


def lies_under(name: str, root: Path) -> bool:
    """Tell whether a text lies under a root, in its own files or prepared; one's own text needs no root."""
    return name not in WIKITEXT or any(root.glob(f"{WIKITEXT[name].folder}*"))


def read_prepared(path: Path, stem: str) -> Corpus:
    """Map a prepared file; raise UserError unless it is whole and of that text."""
    try:
        metadata, splits = read_tensors(path, stem, SPLITS)
        tokenizer = tokenizer_from(json.loads(metadata.get("tokenizer", "null")))
        for split, tokens in splits.items():
            _check_split(split, tokens, len(tokenizer))
    except (SafetensorError, OSError, ValueError, RecursionError, NoTokenizer) as error:
        raise UserError(f"{path} is not a prepared {stem} ({show(error)}): delete it and run again") from error
    return Corpus(tokenizer, **splits)


def _check_split(split: str, tokens: Tensor, vocabulary: int) -> None:
    """Raise ValueError unless the tokens are a row of int32 in range."""
    if tokens.dtype != torch.int32 or tokens.ndim != 1:
        raise ValueError(f"{split} is {tokens.dtype} {tuple(tokens.shape)}, not int32 (N,)")
    if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocabulary:
        raise ValueError(f"{split} has tokens outside 0 … {vocabulary - 1}")


def _make(files: TextFiles, request: TextRequest, path: Path) -> None:
    """Tokenise a text into a prepared file, written whole or not at all."""
    if not files.present():
        files.fetch()
    log.info("preparing %s", path)
    tokenizer = request.trained(files.lines)
    splits = {split: _tokens(tokenizer, split, files, request) for split in SPLITS}
    if files.counts:
        _check_counts(files, {**_words(files, splits, request), "words": len(tokenizer)}, request)
    metadata = {"dataset": files.stem, "tokenizer": json.dumps(tokenizer.state)}
    with whole_file(path) as part:
        save_file(splits, part, metadata)


def _tokens(tokenizer: Tokenizer, split: str, files: TextFiles, request: TextRequest) -> Tensor:
    try:
        return tokenizer.tokens(files.lines(split))
    except UserError as error:
        advice = "dataset.min_count=2 makes <unk> of rare words, dataset.tokenizer=bpe knows all text"
        raise UserError(f"dataset={request.name}: {files.folder}, {split}: {error}; {advice}") from error


def _words(files: TextFiles, splits: Mapping[str, Tensor], request: TextRequest) -> dict[str, int]:
    """Count the tokens of each split by the convention of words: those between white space, and a line's end."""
    if request.tokenizer == "word":
        return {split: len(tokens) for split, tokens in splits.items()}
    return {split: sum(len(line.split()) + 1 for line in files.lines(split)) for split in splits}


def _check_counts(files: TextFiles, found: Mapping[str, int], request: TextRequest) -> None:
    asked = SPLITS if request.tokenizer == "bpe" else (*SPLITS, "words")
    wrong = [part for part in asked if found[part] != files.counts[part]]
    if wrong:
        said = ", ".join(f"{part} {found[part]:,} instead of {files.counts[part]:,}" for part in wrong)
        raise UserError(
            f"{files.folder}: not {files.stem}, by its numbers of tokens: {said}; delete it and run again, or take it "
            f"as it is by dataset=text dataset.path={files.folder}"
        )

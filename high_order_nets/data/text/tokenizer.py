"""From text to numbers and back: by words, or by byte pairs."""

import json
from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib import import_module
from itertools import islice
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...errors import UserError, nearest, show

EOS, UNK = "<eos>", "<unk>"
LONGEST = 1_000_000
"""Tokens that the vocabulary in a file may have."""
CHUNK = 8192
"""Lines that are encoded side by side."""


class NoTokenizer(UserError):
    """What should be the state of a tokenizer is none."""


class Tokenizer(ABC):
    """Maps text to numbers 0 … len - 1; `words` has the text of each, `eos` is that of the end of a line."""

    kind: ClassVar[str]
    eos: int
    words: Sequence[str]

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    @abstractmethod
    def restored(cls, state: dict[str, Any]) -> "Tokenizer":
        """Make it of a `state`; raise KeyError, TypeError or ValueError for one that is none."""

    @property
    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that `tokenizer_from` needs to make it again, ready for JSON."""

    @abstractmethod
    def encode_lines(self, lines: Iterable[str]) -> Iterable[list[int]]:
        """Give the numbers of each line, which has no line break, without that of its end."""

    @abstractmethod
    def decode_line(self, ids: Sequence[int]) -> str:
        """Give the text of numbers without an end of line among them."""

    def encode(self, text: str) -> list[int]:
        """Give the numbers of a text: `eos` for every line break in it, so none at its end if it has none there.

        Raises UserError for a word that a vocabulary of words does not have, where that has no <unk> either.
        """
        ids: list[int] = []
        whole = text.encode(errors="replace").decode()  # a command line may hold what is no UTF-8
        for line in self.encode_lines(whole.split("\n")):
            ids += [*line, self.eos]
        return ids[:-1]

    def decode(self, ids: Iterable[int]) -> str:
        """Give the text of numbers, with a line break for each `eos`."""
        lines: list[list[int]] = [[]]
        for number in ids:
            if number == self.eos:
                lines.append([])
            else:
                lines[-1].append(int(number))
        return "\n".join(map(self.decode_line, lines))

    def tokens(self, lines: Iterable[str]) -> Tensor:
        """Give the numbers of a corpus, int32 (N,), with `eos` at the end of each line."""
        found = array("i")
        for ids in self.encode_lines(lines):
            found.extend(ids)
            found.append(self.eos)
        return torch.frombuffer(found, dtype=torch.int32) if found else torch.empty(0, dtype=torch.int32)


class WordTokenizer(Tokenizer):
    """Splits on white space; a word that is not in the vocabulary becomes <unk> where that is in it."""

    kind = "word"

    def __init__(self, words: Sequence[str]):
        self.words = tuple(words)
        self._ids = {word: number for number, word in enumerate(self.words)}
        self.eos, self._unknown = self._ids[EOS], self._ids.get(UNK)

    @classmethod
    def trained(cls, lines: Iterable[str], min_count: int = 1) -> "WordTokenizer":
        """Take the words of a text that come at least `min_count` times, the most frequent first.

        Those that are as frequent stand in the order of their first appearance. Where rarer ones may be left out <unk>
        is added, if the text has it not already.
        """
        counts = Counter[str]()
        for line in lines:
            counts.update(line.split())
            counts[EOS] += 1
        kept = [word for word, count in counts.most_common() if count >= min_count or word in (EOS, UNK)]
        return cls([*kept, UNK] if min_count > 1 and UNK not in counts else kept)

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "WordTokenizer":
        """Check the words."""
        return cls(_checked(state["words"]))

    @property
    def state(self) -> dict[str, Any]:
        """The words."""
        return {"kind": self.kind, "words": list(self.words)}

    def encode_lines(self, lines: Iterable[str]) -> Iterable[list[int]]:
        """Look words up."""
        for line in lines:
            try:
                yield [*map(self._ids.__getitem__, line.split())]
            except KeyError:
                yield [self._id(word) for word in line.split()]

    def decode_line(self, ids: Sequence[int]) -> str:
        """Put spaces between the words."""
        return " ".join(self.words[number] for number in ids)

    def _id(self, word: str) -> int:
        number = self._ids.get(word, self._unknown)
        if number is None:
            hint = nearest(word, self.words)
            raise UserError(f"unknown word {show(word)}: not among the {len(self)} of the training text{hint}")
        return number


class BytePairTokenizer(Tokenizer):
    """Byte-level byte pair encoding (Sennrich et al. 2016, on bytes as GPT-2): every text has its numbers, and back.

    Number 0 is the end of a line, which no text between line breaks gives.
    """

    kind = "bpe"
    eos = 0

    def __init__(self, vocabulary: Sequence[str], merges: Sequence[tuple[str, str]]):
        library = byte_pair_library()
        self._vocabulary, self._merges = list(vocabulary), [tuple(pair) for pair in merges]
        numbers = {token: number for number, token in enumerate(self._vocabulary)}
        self._pairs = _byte_level(library, library.models.BPE(vocab=numbers, merges=self._merges))

    @classmethod
    def trained(cls, lines: Iterable[str], size: int) -> "BytePairTokenizer":
        """Merge the most frequent pairs of a text until there are `size` tokens, or no pairs left."""
        library = byte_pair_library()
        learner = _byte_level(library, library.models.BPE())
        trainer = library.trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=[EOS],
            initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        learner.train_from_iterator(lines, trainer)
        found = json.loads(learner.to_str())["model"]
        return cls(sorted(found["vocab"], key=found["vocab"].__getitem__), found["merges"])

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "BytePairTokenizer":
        """Check all that the library takes for granted: where that does not hold it panics."""
        vocabulary, merges = _checked(state["vocabulary"]), state["merges"]
        known = set(vocabulary[1:])
        alphabet = set(byte_pair_library().pre_tokenizers.ByteLevel.alphabet())
        if vocabulary[0] != EOS or not alphabet <= known or not alphabet.issuperset("".join(known)):
            raise ValueError(f"its vocabulary must begin with {EOS} and hold all bytes, and joined ones alone")
        if not isinstance(merges, list) or not all(_is_merge(pair, known) for pair in merges):
            raise ValueError("its merges must be pairs of tokens that are a token joined")
        return cls(vocabulary, merges)

    @property
    def state(self) -> dict[str, Any]:
        """The vocabulary and the merges, with bytes as GPT-2's characters."""
        return {"kind": self.kind, "vocabulary": self._vocabulary, "merges": [list(pair) for pair in self._merges]}

    @cached_property
    def words(self) -> Sequence[str]:  # type: ignore[override]
        """The text of each token; bytes that are none by themselves are shown as �."""
        return (EOS, *(self._pairs.decode([number]) for number in range(1, len(self))))

    def __len__(self) -> int:
        return len(self._vocabulary)

    def encode_lines(self, lines: Iterable[str]) -> Iterable[list[int]]:
        """Merge the bytes of each line."""
        rest = iter(lines)
        while chunk := list(islice(rest, CHUNK)):
            yield from (found.ids for found in self._pairs.encode_batch_fast(chunk, add_special_tokens=False))

    def decode_line(self, ids: Sequence[int]) -> str:
        """Join the bytes; what is no UTF-8 is shown as �."""
        return self._pairs.decode(ids, skip_special_tokens=False)


TOKENIZERS: dict[str, type[Tokenizer]] = {each.kind: each for each in (WordTokenizer, BytePairTokenizer)}
"""What `dataset.tokenizer` takes."""


def tokenizer_from(state: Any) -> Tokenizer:
    """Make the tokenizer of a `state` that comes from a file, which may hold anything, or raise UserError."""
    try:
        kind = state["kind"]
        if kind not in TOKENIZERS:
            raise ValueError(f"its kind {show(kind)[:40]} is none of {', '.join(TOKENIZERS)}")
        return TOKENIZERS[kind].restored(state)
    except (KeyError, TypeError, ValueError) as error:
        raise NoTokenizer(f"not the state of a tokenizer: {show(repr(error))[:200]}") from error


def _checked(words: Any) -> list[str]:
    """Refuse what is no vocabulary: distinct words, the end of a line among them."""
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise ValueError("its vocabulary must be a list of words")
    if len(words) > LONGEST or len(set(words)) < len(words) or EOS not in words:
        raise ValueError(f"its vocabulary must be at most {LONGEST:,} different words with {EOS} among them")
    return words


def _is_merge(pair: Any, known: set[str]) -> bool:
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
        return False
    return {*pair, "".join(pair)} <= known


def _byte_level(library: Any, model: Any) -> Any:
    """Give the library's tokenizer of a model: on bytes, words and the spaces before them apart, as GPT-2."""
    made = library.Tokenizer(model)
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = library.decoders.ByteLevel()
    return made


def byte_pair_library() -> Any:
    """Import what `bpe` needs; raise UserError where it is not installed."""
    try:
        return import_module("tokenizers")
    except ImportError as error:
        install = 'pip install "high-order-nets[text]"'
        raise UserError(f"tokenizer=bpe: needs the library tokenizers; install it by: {install}") from error

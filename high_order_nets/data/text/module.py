"""The Lightning data module of a text: blocks of tokens to train on, windows over a whole split to be measured on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ...errors import UserError
from ..base import Data
from ..batches import EpochBatches, derive_seed, make_loader
from ..spec import TextSpec
from .corpus import Corpus
from .tokenizer import Tokenizer

UNCOUNTED = -100
"""Stands where the next token is not counted; what torch's losses ignore by default."""
_SHIFT = 1
"""Tells the stream of the epochs' offsets from that of their orders."""


@dataclass(frozen=True)
class TextSettings:
    """Says how a text is cut into blocks.

    `bptt` tokens are a block's (so many steps back-propagation through time goes back), and the most that a network
    sees at once. `batch_size` is the number of blocks a step, shared out among the processes that train. `stride`
    None measures on blocks side by side; a smaller one than `bptt` on windows that overlap, of which only the last
    `stride` tokens count: each is then predicted from more than bptt - stride tokens, at bptt/stride times the cost.
    """

    batch_size: int = 20
    bptt: int = 35
    stride: int | None = None
    seed: int = 1
    train_fraction: float = 1.0
    num_workers: int = 0

    def __post_init__(self):
        if self.batch_size < 1:
            raise UserError(f"batch_size={self.batch_size} must be at least 1")
        if self.bptt < 1:
            raise UserError(f"dataset.bptt={self.bptt} must be at least 1 token")
        if self.stride is not None and not 1 <= self.stride <= self.bptt:
            raise UserError(f"dataset.stride={self.stride} must be null or in [1, {self.bptt}], the tokens of a block")
        if not 0 < self.train_fraction <= 1:
            raise UserError(f"train_fraction={self.train_fraction} must lie in (0, 1]")


LOGITS = 2**26
"""The most logits that a sample may have: 256 MB."""


class TextDataModule(Data):
    """Serves a text to Lightning: batches (tokens, following), both int64 (B, T), T = bptt.

    `following` is the next token of each position, -100 where it is not counted. In training every one counts: blocks
    side by side, in a new order and cut at other places in each epoch, by (seed, epoch) alone. In evaluation each token
    of the split but the first counts once, and the last window is filled up with what is not counted.
    """

    def __init__(self, corpus: Corpus, settings: TextSettings):
        super().__init__()
        self.corpus, self.settings = corpus, settings
        self._train = corpus.train[: round(settings.train_fraction * len(corpus.train))]
        if len(self._train) <= settings.bptt:
            raise UserError(
                f"dataset.bptt={settings.bptt}: the {len(self._train):,} tokens to train on must be more; "
                "take fewer, or a larger train_fraction or text"
            )

    @property
    def tokenizer(self) -> Tokenizer:
        """From text to tokens and back."""
        return self.corpus.tokenizer

    @property
    def spec(self) -> TextSpec:
        """What a network must know of the text."""
        return TextSpec(len(self.tokenizer), self.settings.bptt)

    def state_dict(self) -> dict[str, Any]:
        """Put into every checkpoint what is needed to use it: the tokenizer and the context."""
        return {"tokenizer": self.tokenizer.state, "context": self.settings.bptt}

    def sample(self, count: int, like: Tensor) -> Tensor:
        """Give blocks of tokens, int64 (≤ count, T), from all over the training text, on the device of `like`.

        So few that a network can hold the logits of all words for them.
        """
        length = self.settings.bptt
        count = min(count, max(1, LOGITS // (length * len(self.tokenizer))))
        last = len(self._train) - length
        starts = torch.linspace(0, last, min(count, max(1, last // length))).long()
        return self._train.unfold(0, length, 1)[starts].long().to(like.device)

    def train_dataloader(self) -> DataLoader:
        """Load the blocks trained on."""
        length = self.settings.bptt
        blocks = (len(self._train) - 1) // length
        if blocks > 1:  # one fewer than there could be leaves room to move them
            blocks -= 1
        order = self._order(blocks, length, room=min(length, len(self._train) - blocks * length), training=True)
        return self._loader(Windows(self._train, length), order)

    def val_dataloader(self) -> DataLoader | list[DataLoader]:
        """Load the validation split; an empty list, which Lightning takes for none, where the text has none."""
        return self._whole(self.corpus.valid, "valid") if len(self.corpus.valid) else []

    def test_dataloader(self) -> DataLoader:
        """Load the test split."""
        return self._whole(self.corpus.test, "test")

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> tuple[Tensor, Tensor]:
        """Give the tuple that torch's loader made a list of."""
        tokens, following = batch
        return tokens, following

    def _whole(self, tokens: Tensor, split: str) -> DataLoader:
        """Load all of a split: of each window but the first only the last `stride` tokens count."""
        if len(tokens) < 2:
            raise UserError(f"the split {split} has {len(tokens)} tokens; it takes two to predict one")
        length, stride = self.settings.bptt, self.settings.stride or self.settings.bptt
        further = max(0, len(tokens) - 1 - length)
        order = self._order(1 + -(-further // stride), stride, room=1, training=False)
        return self._loader(Windows(tokens, length, length - stride), order)

    def _order(self, count: int, apart: int, room: int, *, training: bool) -> "WindowBatches":
        part = self.part(self.settings.batch_size, training=training)
        options = {"seed": self.settings.seed, "items": "blocks of tokens", "apart": apart, "room": room}
        return WindowBatches(torch.arange(count), **options, **part)

    def _loader(self, windows: "Windows", order: "WindowBatches") -> DataLoader:
        return make_loader(windows, order, num_workers=self.settings.num_workers, pin_memory=True)


class WindowBatches(EpochBatches):
    """Yields the places where windows begin, `apart` tokens from one to the next, in place of their indices.

    In each epoch the first one begins at another of the first `room` places; both by (seed, epoch) alone.
    """

    def __init__(self, *args: Any, apart: int, room: int, **options: Any):
        super().__init__(*args, **options)
        self.apart, self.room = apart, room

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        first = derive_seed(self.seed, self.epoch, _SHIFT) % self.room
        for indices, seed in super().__iter__():
            yield indices * self.apart + first, seed


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """Maps (starts (B,), seed) to (tokens, following), both int64 (B, length): one item is a whole batch.

    Of windows that do not begin with the text the first `known` followers are not counted, and none is behind the end.
    """

    def __init__(self, tokens: Tensor, length: int, known: int = 0):
        self.tokens, self.known = tokens, known
        self._steps = torch.arange(length + 1)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: tuple[Tensor, int]) -> tuple[Tensor, Tensor]:
        starts, _ = index
        places = starts[:, None] + self._steps
        last = len(self.tokens) - 1
        found = self.tokens[places.clamp(max=last)].long()
        counted = (places <= last) & ((self._steps > self.known) | (starts == 0)[:, None])
        return found[:, :-1].contiguous(), found.where(counted, UNCOUNTED)[:, 1:].contiguous()

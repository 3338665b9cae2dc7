"""A decoder-only transformer over words: pre-norm (Xiong et al., arXiv:2002.04745), with tied embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import UserError
from ..layers import HighOrderLayer, LowRank
from .dropout import Dropout
from .softmax import FullSoftmax, adaptive_softmax

POSITIONS = ("learned", "rotary")
SOFTMAXES = ("full", "adaptive")


class Cache(NamedTuple):
    """Keys and values of the words so far, of one layer: (batch, nhead, time, emsize / nhead) each."""

    keys: Tensor
    values: Tensor


class Attention(nn.Module):
    """Causal self-attention: x (batch, time, emsize) → the same, each word from itself and those before it."""

    def __init__(self, emsize: int, nhead: int, dropout: float, rotary: bool):
        super().__init__()
        self.nhead, self.dropout, self.rotary = nhead, dropout, rotary
        self.query, self.key, self.value, self.output = (nn.Linear(emsize, emsize) for _ in range(4))

    def forward(self, x: Tensor, cache: Cache | None) -> tuple[Tensor, Cache]:
        """Attend; with a cache, x are the words after those in it."""
        query, key, value = (self._heads(project(x)) for project in (self.query, self.key, self.value))
        before = 0 if cache is None else cache.keys.shape[2]
        if self.rotary:
            query, key = _rotated(query, before), _rotated(key, before)
        if cache is not None:
            key, value = torch.cat([cache.keys, key], 2), torch.cat([cache.values, value], 2)
        dropout = self.dropout if self.training else 0.0
        mask = None if before == 0 else _mask(x.shape[1], before, x.device)
        mixed = F.scaled_dot_product_attention(query, key, value, mask, dropout, is_causal=mask is None)
        return self.output(mixed.transpose(1, 2).flatten(2)), Cache(key, value)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.nhead, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """x (…, emsize) → (…, emsize), by nhid hidden neurons."""

    def __init__(self, emsize: int, nhid: int, dropout: float):
        super().__init__()
        self.up, self.down = nn.Linear(emsize, nhid), nn.Linear(nhid, emsize)
        self.activation, self.dropout = nn.ReLU(), Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the two layers, with the activation between them."""
        return self.down(self.dropout(self.activation(self.up(x))))


class Block(nn.Module):
    """x + attention(norm(x)), then the same with the feed-forward."""

    def __init__(self, sizes: "Sizes"):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(sizes.emsize), nn.LayerNorm(sizes.emsize)
        self.attention = Attention(sizes.emsize, sizes.nhead, sizes.dropout, sizes.positions == "rotary")
        if not sizes.convert_attention:
            self.attention.stays = "attention stays linear; model_name.convert_attention=true"  # type: ignore[assignment]
        self.feed_forward = FeedForward(sizes.emsize, sizes.nhid, sizes.dropout)
        self.dropout = Dropout(sizes.dropout)
        self.drop: nn.Module | None = None  # see `drop_path`

    def forward(self, x: Tensor, cache: Cache | None) -> tuple[Tensor, Cache]:
        """x (batch, time, emsize) → the same, with the cache that these words belong to."""
        mixed, longer = self.attention(self.norm1(x), cache)
        x = x + self.dropped(mixed)
        return x + self.dropped(self.feed_forward(self.norm2(x))), longer

    def dropped(self, branch: Tensor) -> Tensor:
        """Drop numbers of a branch, and where asked for all of it, in training."""
        branch = self.dropout(branch)
        return branch if self.drop is None else self.drop(branch)


@dataclass(frozen=True)
class Sizes:
    """What a transformer is made of; the names are those of PyTorch's word-language-model example, where it has them.

    `positions` are learned (a table) or rotary; `softmax` is full or adaptive, with its `cutoffs`; `tied` reads out by
    the embedding's weights, where it is full. `convert_attention` lets convert replace the attention's projections too.
    """

    vocabulary: int
    context: int
    emsize: int = 200
    nhid: int = 200
    nlayers: int = 2
    nhead: int = 2
    dropout: float = 0.2
    positions: str = "learned"
    softmax: str = "full"
    cutoffs: list[int] | None = None
    tied: bool = True
    convert_attention: bool = False

    def __post_init__(self):
        if self.emsize % self.nhead:
            raise UserError(f"model_name.emsize={self.emsize}: expected a multiple of nhead={self.nhead}")
        if self.positions == "rotary" and (head := self.emsize // self.nhead) % 2:
            raise UserError(f"model_name.positions=rotary: needs an even emsize / nhead, and it is {head}")
        for key, known in (("positions", POSITIONS), ("softmax", SOFTMAXES)):
            if (value := getattr(self, key)) not in known:
                raise UserError(f"model_name.{key}={value}: expected one of {', '.join(known)}")


class Transformer(nn.Module):
    """tokens int64 (batch, time ≤ context) → logits (batch, time, vocabulary) of the word after each of them."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        emsize, full = sizes.emsize, sizes.softmax == "full"
        self.context, self.nhid, self.tied = sizes.context, sizes.nhid, sizes.tied and full
        self.embedding = nn.Embedding(sizes.vocabulary, emsize)
        learned = sizes.positions == "learned"
        self.positions = nn.Parameter(torch.empty(sizes.context, emsize)) if learned else None
        self.dropout = Dropout(sizes.dropout)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.nlayers))
        self.norm = nn.LayerNorm(emsize)
        head = FullSoftmax if full else partial(adaptive_softmax, cutoffs=sizes.cutoffs)
        self.head = head(emsize, sizes.vocabulary)
        self._init_weights()
        self._tie()

    def forward(self, tokens: Tensor, following: Tensor | None = None) -> Tensor:
        """Give the logits; with the `following` words (batch, time), the mean of -log p of them.

        Words under 0 are left out of the mean. The loss never holds the logits of all words at once.
        """
        hidden, _ = self.hidden(tokens)
        if following is None:
            return self.head(hidden)
        return self.head.loss(hidden.flatten(0, 1), following.flatten())

    def extended(self, tokens: Tensor, caches: Sequence[Cache] | None = None) -> tuple[Tensor, list[Cache]]:
        """Give the logits (batch, vocabulary) after the last of the tokens, which follow those in the caches."""
        hidden, caches = self.hidden(tokens, caches)
        return self.head(hidden[:, -1:]).squeeze(1), caches

    def hidden(self, tokens: Tensor, caches: Sequence[Cache] | None = None) -> tuple[Tensor, list[Cache]]:
        """Give what the head reads, (batch, time, emsize), and the caches with these tokens added."""
        before = 0 if not caches else caches[0].keys.shape[2]
        time = before + tokens.shape[1]
        if time > self.context:
            raise ValueError(f"{time} tokens: the network was made for {self.context}")
        x = self.embedding(tokens)
        if self.positions is not None:
            x = x + self.positions[before:time]
        x, found = self.dropout(x), []
        for block, cache in zip(self.blocks, caches or [None] * len(self.blocks), strict=True):
            x, longer = block(x, cache)
            found.append(longer)
        return self.norm(x), found

    def rescale_planes(self, divisor: float) -> None:
        """Divide the hidden neurons of the feed-forwards, rounding to the nearest; all weights are new."""
        self.nhid = max(1, round(self.nhid / divisor))
        for block in self.blocks:
            dropout = block.feed_forward.dropout.p  # type: ignore[union-attr]
            block.feed_forward = FeedForward(self.embedding.embedding_dim, self.nhid, dropout)  # type: ignore[assignment,arg-type]
        self.to(self.embedding.weight)
        self._init_weights()

    def init_converted(self) -> None:
        """Have high-order layers that end a branch start about as small as the embeddings, 0.02 a number.

        They give outputs of deviation 1 at first, beside which the words in the stream could not be seen.
        """
        for block in self.blocks:
            for layer in (block.feed_forward.down, block.attention.output):  # type: ignore[union-attr]
                main = layer.main if isinstance(layer, LowRank) else layer
                if isinstance(main, HighOrderLayer):
                    main.weight.data.mul_(0.06 / (2 * len(self.blocks)) ** 0.5)

    def _init_weights(self) -> None:
        """Draw normal weights of deviation 0.02, as GPT-2's; what joins the residual stream smaller by its depth."""
        for name, parameter in self.named_parameters():
            if "head.tail" in name or "head.head" in name or "norm" in name:
                continue
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                into_stream = name.endswith(("output.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * len(self.blocks)) ** 0.5 if into_stream else 0.02)

    def _apply(self, fn: Any, recurse: bool = True) -> "Transformer":
        super()._apply(fn, recurse)
        self._tie()  # what moves a network to another device may make two parameters of one
        return self

    def _tie(self) -> None:
        if self.tied:
            self.head.weight = self.embedding.weight


def transformer(vocabulary: int, context: int, **sizes: Any) -> Transformer:
    """Make the transformer for such a text; the sizes are those of Sizes."""
    return Transformer(Sizes(vocabulary, context, **sizes))


def _mask(time: int, before: int, device: torch.device) -> Tensor:
    """Let each of `time` words see those before all of them, itself and those between."""
    return torch.ones(time, before + time, dtype=torch.bool, device=device).tril(before)


def _rotated(x: Tensor, before: int) -> Tensor:
    """Turn pairs of x (batch, nhead, time, d) by angles that grow with the position (Su et al., arXiv:2104.09864)."""
    time, half = x.shape[2], x.shape[3] // 2
    position = torch.arange(before, before + time, device=x.device, dtype=torch.float32)
    angle = position[:, None] * 10_000.0 ** -(torch.arange(half, device=x.device) / half)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x.split(half, 3)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], 3)

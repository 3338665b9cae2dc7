"""A trained language model: what comes next in a text."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..data.text.tokenizer import UNK, Tokenizer
from ..errors import UserError
from ..models.transformer import Cache

TOP = 10
"""Words named with their probabilities."""


class Choice(NamedTuple):
    """How a word is drawn from a distribution.

    `temperature` divides the logits, 0 takes the likeliest word; of the words only the `top_k` likeliest are drawn;
    the same `seed` draws the same words.
    """

    temperature: float = 1.0
    top_k: int | None = None
    seed: int = 1


class LanguageModel(nn.Module):
    """logits (batch, time, vocabulary) of tokens int64 (batch, time ≤ context), with the tokenizer that made them.

    `metadata` holds the run's `config` and its `metrics` (empty where they are not known).
    """

    takes = "tokens"
    """What it takes, the name of the input of what is exported."""
    gives = "logits"

    def __init__(self, net: nn.Module, tokenizer: Tokenizer, context: int, metadata: dict[str, Any]):
        super().__init__()
        self.net, self.tokenizer, self.context, self.metadata = net, tokenizer, context, metadata

    def forward(self, tokens: Tensor) -> Tensor:
        """Give the logits of what follows each token."""
        return self.net(tokens)

    def example(self, batch: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw tokens (batch, context)."""
        return torch.randint(len(self.tokenizer), (batch, self.context), generator=generator)

    def encode(self, text: str) -> list[int]:
        """Give the tokens of a text that something is to follow; raises UserError for none."""
        if not (tokens := self.tokenizer.encode(text)):
            raise UserError("text=: empty; expected some words that something is to follow")
        return tokens

    def unknown(self, text: str) -> list[str]:
        """Name the words of a text that the vocabulary does not have, which are read as <unk>."""
        words = dict.fromkeys(text.split()) if UNK in self.tokenizer.words else {}
        return [word for word in words if word != UNK and self.tokenizer.decode(self.tokenizer.encode(word)) == UNK]

    @torch.inference_mode()
    def next_words(self, text: str, count: int = TOP) -> list[tuple[str, float]]:
        """Give the likeliest next words with their probabilities."""
        logits, _ = self._after(self.encode(text), [])
        found = logits.float().softmax(0).topk(min(count, len(self.tokenizer)))
        words = [str(self.tokenizer.words[index]) for index in found.indices.tolist()]
        return [*zip(words, found.values.tolist(), strict=True)]

    @torch.inference_mode()
    def continued(self, text: str, tokens: int, choice: Choice = Choice(), *, cached: bool = True) -> str:  # noqa: B008 - it is frozen
        """Give the text with so many tokens after it.

        The network sees the last of them alone, context at most: where that is full, it goes on with the later half.
        `cached=False` computes the keys and values of all of them for each token anew; the tokens are the same.
        """
        known = self.encode(text)
        generator = torch.Generator().manual_seed(choice.seed)
        caches: Sequence[Cache] = []
        start = max(0, len(known) - self.context)
        for _ in range(tokens):
            if len(known) - start > self.context:
                start, caches = len(known) - max(1, self.context // 2), []
            logits, caches = self._after(known[start:], caches if cached else [])
            known.append(_drawn(logits, choice, generator))
        return self.tokenizer.decode(known)

    def _after(self, tokens: list[int], caches: Sequence[Cache]) -> tuple[Tensor, Sequence[Cache]]:
        """Give the logits (vocabulary,) after tokens, of which those in the caches need not be looked at again."""
        seen = caches[0].keys.shape[2] if caches else 0
        device = next(self.net.parameters()).device
        new = torch.tensor([tokens[-self.context :][seen:]], device=device)
        logits, caches = self.net.extended(new, caches)  # type: ignore[operator]
        return logits[0], caches


def _drawn(logits: Tensor, choice: Choice, generator: torch.Generator) -> int:
    """Draw a word; on the CPU, so that every device draws the same."""
    logits = logits.double().cpu()
    if choice.temperature == 0:
        return int(logits.argmax())
    if choice.top_k is not None:
        least = logits.topk(min(choice.top_k, len(logits))).values[-1]
        logits = logits.masked_fill(logits < least, float("-inf"))
    return int(torch.multinomial((logits / choice.temperature).softmax(0), 1, generator=generator))

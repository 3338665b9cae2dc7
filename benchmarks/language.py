"""Measure tokens/s of a training step of the transformer; random words of Zipf's frequencies, so it needs no data.

python benchmarks/language.py             one thread, blocks of 35 tokens, 7 rounds, everything in turn in one process
python benchmarks/language.py --batch 40  so many blocks a step
"""

import argparse
import datetime
import sys
from collections.abc import Callable
from typing import Any

import torch
from machine import commit, processor, versions
from speed.measure import Spread, ThreadClock
from torch import Tensor, nn

from high_order_nets.conversion import convert
from high_order_nets.models.transformer import Transformer, transformer
from high_order_nets.terminal import tolerant
from high_order_nets.training.memory import keep_freed_memory

WORDS, CONTEXT, WIDTH = 33_278, 35, 200
HIGH_ORDER: dict[str, dict[str, Any]] = {
    "polynomial n=3": {"layer_type": "polynomial", "n": 3},
    "continuous n=3, 2 segments": {"layer_type": "continuous", "n": 3, "segments": 2},
    "Fourier n=3": {"layer_type": "fourier", "n": 3},
    "continuous, sharing=channel": {"layer_type": "continuous", "segments": 2, "sharing": "channel", "skip": "*.up"},
}


def products(rows: int) -> Callable[[], None]:
    """Return what multiplies as the softmax over all words must: logits, and both gradients."""
    hidden, weight = torch.randn(rows, WIDTH), torch.randn(WORDS, WIDTH)
    logits, by_hidden, by_weight = torch.empty(rows, WORDS), torch.empty(rows, WIDTH), torch.empty(WORDS, WIDTH)

    def run() -> None:
        torch.mm(hidden, weight.T, out=logits)
        torch.mm(logits, weight, out=by_hidden)
        torch.mm(logits.T, hidden, out=by_weight)

    return run


def step(net: nn.Module, words: Tensor) -> Callable[[], None]:
    """Return a whole training step: loss, gradients, clipping, AdamW."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)

    def run() -> None:
        net(words[:, :-1], words[:, 1:]).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return run


def candidates(batch: int) -> dict[str, Callable[[], None]]:
    """Make everything that is measured."""
    words = torch.multinomial(1 / torch.arange(1, WORDS + 1), batch * (CONTEXT + 1), replacement=True)
    words = words.view(batch, CONTEXT + 1)
    standard: Transformer = transformer(WORDS, CONTEXT)
    nets: dict[str, nn.Module] = {"standard": standard}
    nets |= {name: convert(standard, rescale_planes="match", **options)[0] for name, options in HIGH_ORDER.items()}
    nets["standard, adaptive softmax"] = transformer(WORDS, CONTEXT, softmax="adaptive")
    runs = {name: step(net, words) for name, net in nets.items()}
    return {"the softmax's three matrix products": products(batch * CONTEXT)} | runs


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    with tolerant():
        sys.stdout.write(f"{table(options.batch, options.rounds)}\n")


def table(batch: int, rounds: int) -> str:
    """Measure, in turn, and give the table with what it was measured on."""
    runs, clock = candidates(batch), ThreadClock()
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            seconds = clock.time(run, 0.0)
            if number:  # the first warms up
                taken[name].append(seconds)
    spreads = {name: Spread.of(values) for name, values in taken.items()}
    first, standard = (spreads[name].median for name in ("the softmax's three matrix products", "standard"))
    lines = [
        f"| {name} | {batch * CONTEXT / each.median:,.0f} | {1e3 * each.median:,.0f} "
        f"({1e3 * each.low:,.0f} … {1e3 * each.high:,.0f}) | {first / each.median:.2f} | {each.median / standard:.2f} |"
        for name, each in spreads.items()
    ]
    head = ["| | tokens/s | ms, CPU time (quartiles) | rate ÷ products' | time ÷ standard's |", "|---" * 5 + "|"]
    found = ", ".join(f"{name} {version}" for name, version in versions("torch").items())
    about = (
        f"{batch} blocks of {CONTEXT} tokens, {WORDS:,} words, {rounds} rounds, one thread; {found}; commit {commit()}"
    )
    return "\n".join([*head, *lines, "", f"{processor(torch.device('cpu'))}, {datetime.date.today()}: {about}."])


if __name__ == "__main__":
    main()

"""The softmax over a vocabulary in chunks: values, gradients, memory."""

import subprocess
import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from high_order_nets.errors import UserError
from high_order_nets.models import softmax
from high_order_nets.models.softmax import adaptive_softmax, chunked_cross_entropy


def case(scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden (37, 8), weight (50, 8), and targets two of which are not counted."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(37, 8, dtype=torch.float64, generator=generator) * scale
    weight = torch.randn(50, 8, dtype=torch.float64, generator=generator)
    targets = torch.randint(50, (37,), generator=generator)
    targets[[3, 30]] = -100
    return hidden.requires_grad_(), weight.requires_grad_(), targets


@pytest.mark.parametrize("scale", [1.0, 50.0])  # the larger has logits whose exponentials would overflow
@pytest.mark.parametrize("chunk", [50, 500, 10**6])
def test_loss_and_gradients_are_torchs(chunk: int, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmax, "CHUNK", chunk)
    hidden, weight, targets = case(scale)
    found = 3 * chunked_cross_entropy(hidden, weight, targets)
    wanted = 3 * F.cross_entropy(hidden @ weight.T, targets)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    pairs = (torch.autograd.grad(loss, (hidden, weight)) for loss in (found, wanted))
    torch.testing.assert_close(*pairs, rtol=1e-10, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(chunked_cross_entropy(hidden, weight, targets) * 3, wanted)


def test_it_can_be_differentiated_again() -> None:
    hidden, weight, targets = case()
    few = targets[:4] % 6
    torch.autograd.gradgradcheck(lambda h, w: chunked_cross_entropy(h, w, few) ** 2, (hidden[:4], weight[:6]))


def test_without_a_target_there_is_nothing_to_learn() -> None:
    hidden, weight, targets = case()
    loss = chunked_cross_entropy(hidden, weight, torch.full_like(targets, -100))
    loss.backward()
    assert loss.item() == 0
    assert hidden.grad is not None
    assert not hidden.grad.any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast(dtype: torch.dtype) -> None:
    hidden, weight, targets = case()
    low = [each.detach().float().requires_grad_() for each in (hidden, weight)]
    with torch.autocast("cpu", dtype):
        loss = chunked_cross_entropy(*low, targets)
    assert loss.dtype == torch.float32
    wanted = F.cross_entropy(hidden @ weight.T, targets)
    torch.testing.assert_close(loss.double(), wanted, rtol=1e-2, atol=1e-2)
    exact = torch.autograd.grad(wanted, (hidden, weight))
    for one, other in zip(torch.autograd.grad(loss, low), exact, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other, rtol=0.05, atol=2e-3)


def test_the_adaptive_softmax_is_torchs() -> None:
    torch.manual_seed(0)
    head = adaptive_softmax(16, 300, None).double()
    assert head.cutoffs == [9, 37, 150, 300]
    hidden = torch.randn(60, 16, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(300, (60,))
    inputs: Any = [hidden, *head.parameters()]
    found, wanted = head.loss(hidden, targets), nn.AdaptiveLogSoftmaxWithLoss.forward(head, hidden, targets).loss
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    pairs = (torch.autograd.grad(loss, inputs) for loss in (found, wanted))
    torch.testing.assert_close(*pairs, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(head(hidden[None])[0].exp().sum(1), torch.ones(60, dtype=torch.float64))
    targets[:50] = -100  # and some clusters without a word
    torch.testing.assert_close(head.loss(hidden, targets), F.nll_loss(head(hidden), targets))


@pytest.mark.parametrize("cutoffs", [[0, 5], [5, 5], [9, 5], [5, 50], [50]])
def test_cutoffs_that_are_none(cutoffs: list[int]) -> None:
    with pytest.raises(UserError, match=r"^model_name\.cutoffs=\[.*\]: expected growing numbers of words below"):
        adaptive_softmax(8, 50, cutoffs)


def test_a_training_step_never_holds_the_logits_of_all_words() -> None:
    rows, vocabulary = 4096, 20_000  # 328 MB of logits
    script = f"""
import resource, torch
from high_order_nets.models.transformer import transformer
net = transformer({vocabulary}, 32, emsize=16, nhid=16, nlayers=1)
x = torch.randint({vocabulary}, ({rows // 32}, 33))
net(x[:1, :-1], x[:1, 1:]).backward()  # what torch itself takes at its first step
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
net(x[:, :-1], x[:, 1:]).backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < rows * vocabulary * 4 / 2

"""The transformer over words: causality, caches, ties, conversion."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from high_order_nets.conversion import convert
from high_order_nets.data.text.tokenizer import WordTokenizer
from high_order_nets.errors import UserError
from high_order_nets.inference.language import Choice, LanguageModel
from high_order_nets.layers import HighOrderLinear
from high_order_nets.models.transformer import Transformer, transformer

WORDS, CONTEXT = 40, 12
FORMS: list[dict[str, Any]] = [{}, {"positions": "rotary"}, {"softmax": "adaptive"}, {"tied": False, "nlayers": 1}]


def made(**sizes: Any) -> Transformer:
    torch.manual_seed(0)
    return transformer(WORDS, CONTEXT, **({"emsize": 16, "nhid": 24, "dropout": 0.0} | sizes)).double()


def tokens(batch: int = 3, time: int = CONTEXT) -> Tensor:
    return torch.randint(WORDS, (batch, time), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("sizes", FORMS, ids=str)
@pytest.mark.parametrize("converted", [False, True])
def test_a_later_word_changes_nothing_before_it(sizes: dict[str, Any], converted: bool) -> None:
    net: nn.Module = made(**sizes)
    if converted:
        net, _ = convert(net, "continuous", n=3, segments=2)
    first = tokens()
    for place in (1, 6, CONTEXT - 1):
        second = first.clone()
        second[:, place] = (second[:, place] + 1) % WORDS
        before, after = net(first), net(second)
        assert torch.equal(before[:, :place], after[:, :place])
        assert not torch.equal(before[:, place:], after[:, place:])


@pytest.mark.parametrize("sizes", FORMS, ids=str)
def test_the_loss_is_that_of_the_logits(sizes: dict[str, Any]) -> None:
    net, given = made(**sizes), tokens()
    following = given.roll(-1, 1)
    following[:, -1] = -100
    wanted = nn.functional.cross_entropy(net(given).flatten(0, 1), following.flatten())
    torch.testing.assert_close(net(given, following), wanted)


@pytest.mark.parametrize("sizes", FORMS, ids=str)
def test_with_and_without_cache_the_logits_are_the_same(sizes: dict[str, Any]) -> None:
    net, given = made(**sizes).eval(), tokens()
    caches: Any = None
    for part in given.split([5, 1, 4, 2], 1):
        last, caches = net.extended(part, caches)
        seen = caches[0].keys.shape[2]
        torch.testing.assert_close(last, net(given[:, :seen])[:, -1], rtol=1e-10, atol=1e-12)
    with pytest.raises(ValueError, match="13 tokens: the network was made for 12"):
        net.extended(given[:, :1], caches)


@pytest.mark.parametrize("sizes", FORMS, ids=str)
@pytest.mark.parametrize("choice", [Choice(), Choice(temperature=0.0), Choice(0.7, top_k=3, seed=5)])
def test_with_and_without_cache_the_continuation_is_the_same(sizes: dict[str, Any], choice: Choice) -> None:
    words = ["<eos>", *(f"w{number}" for number in range(WORDS - 1))]
    model = LanguageModel(made(**sizes).eval(), WordTokenizer(words), CONTEXT, {})
    text = " ".join(words[1:6])
    found = model.continued(text, 30, choice)  # three times the context
    assert found == model.continued(text, 30, choice, cached=False)
    assert found == model.continued(text, 30, choice)
    assert found.startswith(text)
    assert len(model.tokenizer.encode(found)) == 35


def test_few_words_are_drawn_by_their_probabilities() -> None:
    words = ["<eos>", *(f"w{number}" for number in range(WORDS - 1))]
    model = LanguageModel(made().eval(), WordTokenizer(words), CONTEXT, {})
    ranked = model.next_words("w1 w2", count=WORDS)
    assert sum(value for _, value in ranked) == pytest.approx(1)
    assert [value for _, value in ranked] == sorted((value for _, value in ranked), reverse=True)
    likeliest = {word for word, _ in ranked[:2]}
    drawn = {model.continued("w1 w2", 1, Choice(top_k=2, seed=seed)).removeprefix("w1 w2").strip() for seed in range(9)}
    assert {word or "<eos>" for word in drawn} == likeliest
    with pytest.raises(UserError, match=r"^text=: empty"):
        model.next_words(" ")


def test_tied_embeddings_stay_one_parameter() -> None:
    net = made()
    for moved in (net, net.to("meta"), convert(net, "fourier", n=2)[0]):
        assert moved.head.weight is moved.embedding.weight
    assert made(tied=False).head.weight is not made(tied=False).embedding.weight


@pytest.mark.parametrize(
    ("layer_type", "options"),
    [("polynomial", {"n": 2}), ("polynomial", {"n": 3}), ("continuous", {"segments": 2}), ("fourier", {"n": 3})],
)
def test_the_feed_forward_is_replaced_at_equal_parameters(layer_type: str, options: dict[str, Any]) -> None:
    net = transformer(1000, 35)
    after, report = convert(net, layer_type, rescale_planes="match", **options)
    assert isinstance(after, Transformer)
    assert [type(block.feed_forward.up) for block in after.blocks] == [HighOrderLinear] * 2
    assert [type(block.feed_forward.down) for block in after.blocks] == [HighOrderLinear] * 2
    assert all(type(block.feed_forward.activation) is nn.Identity for block in after.blocks)
    assert type(after.blocks[0].attention.query) is nn.Linear
    blocks = sum(p.numel() for block in net.blocks for p in block.feed_forward.parameters())
    assert abs(report.parameters_after - report.parameters_before) <= 0.01 * blocks
    assert report.divisor >= 1
    assert "attention stays linear; model_name.convert_attention=true" in str(report)


def test_other_ways_to_convert() -> None:
    kept, _ = convert(made(), "polynomial", activation="keep")
    assert type(kept.blocks[0].feed_forward.activation) is nn.ReLU
    gelu, _ = convert(made(), "standard", activation="gelu")
    assert type(gelu.blocks[0].feed_forward.activation) is nn.GELU
    shared, report = convert(made(), "continuous", segments=2, sharing="channel", skip="*.up")
    layers = shared.blocks[0].feed_forward
    assert (type(layers.up), type(layers.activation), type(layers.down)) == (nn.Linear, nn.Identity, HighOrderLinear)
    assert report.parameters_after - report.parameters_before < 0.1 * report.parameters_before
    attention, _ = convert(made(convert_attention=True), "polynomial", n=2)
    assert type(attention.blocks[0].attention.query) is HighOrderLinear
    for net in (kept, gelu, shared, attention):
        net(tokens(), tokens()).backward()


def test_nothing_is_foretold_of_noise() -> None:
    """What comes after i.i.d. words cannot be known: a network that foretells them better sees them."""
    torch.manual_seed(3)
    words = 16
    net, _ = convert(transformer(words, 8, emsize=16, nhid=16, nlayers=1, dropout=0.0), "polynomial", n=3)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    for _ in range(300):
        given = torch.randint(words, (16, 9))
        net(given[:, :-1], given[:, 1:]).backward()
        optimizer.step()
        optimizer.zero_grad()
    given = torch.randint(words, (2000, 9))
    with torch.no_grad():
        assert float(net.eval()(given[:, :-1], given[:, 1:])) >= math.log(words) - 0.02


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"emsize": 15}, r"^model_name\.emsize=15: expected a multiple of nhead=2$"),
        ({"emsize": 6, "positions": "rotary"}, r"^model_name\.positions=rotary: needs an even emsize / nhead"),
        ({"positions": "sine"}, r"^model_name\.positions=sine: expected one of learned, rotary$"),
        ({"softmax": "half"}, r"^model_name\.softmax=half: expected one of full, adaptive$"),
    ],
)
def test_sizes_that_are_none(sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        made(**sizes)

"""Blocks to train on and windows to be measured on: which tokens come, in which order, and which of them count."""

from typing import Any

import pytest
import torch
from torch import Tensor

from high_order_nets.data.factory import make_data
from high_order_nets.data.text.corpus import Corpus
from high_order_nets.data.text.module import TextDataModule, TextSettings
from high_order_nets.data.text.tokenizer import WordTokenizer, tokenizer_from
from high_order_nets.errors import UserError


def module(train: int = 100, valid: int = 23, test: int = 9, **settings: Any) -> TextDataModule:
    """A text whose tokens are their own places."""
    rows = [torch.arange(count, dtype=torch.int32) for count in (train, valid, test)]
    words = ["<eos>", *(f"w{number}" for number in range(1, max(train, valid, test)))]
    return TextDataModule(Corpus(WordTokenizer(words), *rows), TextSettings(**{"batch_size": 3, "bptt": 5} | settings))


def batches(loader: Any, epoch: int = 0) -> list[tuple[Tensor, Tensor]]:
    loader.sampler.set_epoch(epoch)
    return [(tokens, following) for tokens, following in loader]


def test_training_blocks_lie_side_by_side_in_a_new_order_each_epoch() -> None:
    data = module()
    assert (data.spec.vocabulary, data.spec.context) == (100, 5)
    firsts = []
    for epoch in range(3):
        found = batches(data.train_dataloader(), epoch)
        assert {tokens.shape for tokens, _ in found} == {(3, 5)}
        tokens, following = (torch.cat(each) for each in zip(*found, strict=True))
        assert {tokens.dtype, following.dtype} == {torch.int64}
        assert torch.equal(following, tokens + 1)
        starts = tokens[:, 0].tolist()
        assert len(set(starts)) == 18
        assert len({start % 5 for start in starts}) == 1
        firsts.append(starts)
    assert len({start[0] % 5 for start in firsts}) > 1, "blocks are always cut at the same places"
    assert firsts[0] != firsts[1]


def test_a_run_goes_on_where_it_stopped() -> None:
    whole = [batches(module().train_dataloader(), epoch) for epoch in range(2)]
    data = module()
    data.start = (1, 2)
    rest = [tokens for tokens, _ in data.train_dataloader()]
    assert torch.equal(torch.cat(rest), torch.cat([tokens for tokens, _ in whole[1][2:]]))
    assert not torch.equal(whole[0][0][0], batches(module(seed=2).train_dataloader())[0][0])


@pytest.mark.parametrize("count", [6, 7, 10, 11, 12, 16, 99])
def test_every_block_lies_within_the_text(count: int) -> None:
    for epoch in range(20):
        for tokens, following in batches(module(train=count, batch_size=1).train_dataloader(), epoch):
            assert torch.equal(following, tokens + 1)
            assert int(following.max()) < count


def test_processes_share_the_blocks() -> None:
    seen = []
    for rank in range(2):
        data = module(batch_size=4)
        data.trainer = type("Trainer", (), {"world_size": 2, "global_rank": rank})  # type: ignore[assignment]
        found = batches(data.train_dataloader())
        assert {len(tokens) for tokens, _ in found} == {2}
        seen += [start for tokens, _ in found for start in tokens[:, 0].tolist()]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("stride", [None, 1, 2, 4, 5])
@pytest.mark.parametrize("valid", [2, 5, 6, 7, 23, 26])
def test_evaluation_counts_every_token_but_the_first_once_in_order(valid: int, stride: int | None) -> None:
    found = batches(module(valid=valid, stride=stride).val_dataloader())
    tokens, following = (torch.cat(each) for each in zip(*found, strict=True))
    counted = following != -100
    assert following[counted].tolist() == list(range(1, valid))
    assert torch.equal(tokens[counted], following[counted] - 1)
    apart = stride or 5
    known = tokens[1:].gather(1, counted[1:].long().argmax(1, keepdim=True)).squeeze(1) - tokens[1:, 0]
    assert (known == 5 - apart).all(), "each is predicted from more than bptt - stride tokens"
    assert int(counted[0].sum()) == min(5, valid - 1)


def test_a_part_of_the_text_is_its_first_tokens_with_all_words() -> None:
    data = module(train_fraction=0.3)
    assert max(int(following.max()) for _, following in batches(data.train_dataloader())) < 30
    assert data.spec.vocabulary == 100
    with pytest.raises(UserError, match=r"^dataset.bptt=5: the 5 tokens to train on must be more"):
        module(train_fraction=0.05)


def test_samples_are_from_all_over_the_text_and_touch_no_random_state() -> None:
    before = torch.get_rng_state()
    found = module().sample(4, torch.zeros(1, dtype=torch.float64))
    assert torch.equal(torch.get_rng_state(), before)
    assert found.dtype == torch.int64
    assert found[:, 0].tolist() == [0, 31, 63, 95]
    assert module(train=6).sample(4, torch.zeros(1)).tolist() == [[0, 1, 2, 3, 4]]


def test_a_checkpoint_has_the_tokenizer_and_the_context() -> None:
    saved = module().state_dict()
    assert saved["context"] == 5
    assert tokenizer_from(saved["tokenizer"]).decode([1, 2, 0, 3]) == "w1 w2\nw3"


def test_no_validation_split_has_no_loader() -> None:
    assert module(valid=0).val_dataloader() == []
    with pytest.raises(UserError, match="the split test has 1 tokens"):
        module(test=1).test_dataloader()


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"bptt": 0}, {"stride": 0}, {"stride": 6}, {"train_fraction": 0.0}]
)
def test_bad_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"{next(iter(wrong))}="):
        module(**wrong)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine with one core
def test_workers_make_the_same_batches() -> None:
    for here, there in zip(*(batches(module(num_workers=n).train_dataloader(), 1) for n in (0, 2)), strict=True):
        assert torch.equal(here[0], there[0])
        assert torch.equal(here[1], there[1])


def test_the_data_of_a_config(settings: Any) -> None:
    data = make_data(settings("dataset=sentences", "dataset.bptt=7", "batch_size=10"))
    assert isinstance(data, TextDataModule)
    assert data.spec.offers() == {"vocabulary": 324, "context": 7}
    assert data.spec.example(2).shape == (2, 7)
    tokens, following = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert tokens.shape == following.shape == (10, 7)
    assert sum(int((each >= 0).sum()) for _, each in data.test_dataloader()) == len(data.corpus.test) - 1

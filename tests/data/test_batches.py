import pytest
import torch

from high_order_nets.data.batches import EpochBatches, derive_seed, make_loader
from high_order_nets.data.images.module import ImageBatches
from high_order_nets.errors import UserError
from tests.data.conftest import make_images


def sampled(count: int = 50, batch_size: int = 8, epoch: int = 0, seed: int = 1, **options):
    sampler = EpochBatches(torch.arange(count), batch_size, seed, **options)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    return batches


def indices(batches) -> list[int]:
    return [i for batch, _ in batches for i in batch.tolist()]


def test_order_is_a_function_of_seed_and_epoch():
    first = sampled(training=True)
    assert [seed for _, seed in first] == [seed for _, seed in sampled(training=True)]
    assert indices(first) == indices(sampled(training=True))
    assert indices(first) != indices(sampled(training=True, epoch=1))
    assert indices(first) != indices(sampled(training=True, seed=2))


def test_training_batches_are_full_and_distinct():
    batches = sampled(count=50, batch_size=8, training=True)
    assert [len(batch) for batch, _ in batches] == [8] * 6
    assert len(set(indices(batches))) == 48


@pytest.mark.parametrize("count", [2, 5, 8])
def test_a_single_small_training_batch_is_kept(count):
    batches = sampled(count=count, batch_size=8, training=True)
    assert sorted(indices(batches)) == list(range(count))


def test_no_training_batch_of_one_image():
    assert [len(batch) for batch, _ in sampled(count=9, batch_size=8, training=True)] == [8]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 50])
@pytest.mark.parametrize("batch_size", [1, 8, 64])
def test_evaluation_sees_every_image_once_in_order(count, batch_size):
    batches = sampled(count=count, batch_size=batch_size, training=False)
    assert indices(batches) == list(range(count))
    assert all(1 <= len(batch) <= batch_size for batch, _ in batches)


@pytest.mark.parametrize("count", [3, 50, 257])
@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("training", [True, False])
def test_processes_share_the_images(count, batch_size, training):
    ranks = [sampled(count, batch_size, training=training, rank=rank, world_size=3) for rank in range(3)]
    assert len({len(batches) for batches in ranks}) == 1
    assert all(len(batch) for batches in ranks for batch, _ in batches)
    seen = [i for batches in ranks for i in indices(batches)]
    assert len(seen) == len(set(seen))
    assert training or sorted(seen) == list(range(count))
    seeds = [seed for batches in ranks for _, seed in batches]
    assert len(seeds) == len(set(seeds))


def test_too_few_images_or_no_batch_size_is_refused():
    with pytest.raises(UserError, match="3 processes"):
        EpochBatches(torch.arange(2), 8, 1, training=True, world_size=3)
    with pytest.raises(UserError, match="batch_size=0"):
        EpochBatches(torch.arange(2), 0, 1, training=True)


def test_derived_seeds_differ_and_suit_a_generator():
    seeds = {derive_seed(a, b, c) for a in range(-3, 20) for b in range(20) for c in range(20)}
    assert len(seeds) == 23 * 20 * 20
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(1, 2) != derive_seed(2, 1)
    assert derive_seed(1) == 10451216379200822465 >> 1, "SplitMix64 of 1; results are no longer repeatable"


def epochs(num_workers: int) -> list[list]:
    data = make_images(count=20)
    sampler = EpochBatches(torch.arange(20), 6, seed=3, training=True)
    loader = make_loader(ImageBatches(data.train_images, data.train_labels), sampler, num_workers=num_workers)
    found = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        found += list(loader)
    return found


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine with one core
def test_workers_make_the_same_batches():
    for here, there in zip(epochs(0), epochs(2), strict=True):
        assert torch.equal(here[0], there[0])
        assert torch.equal(here[1], there[1])
        assert here[2] == there[2]


def test_items_are_whole_batches():
    data = make_images(count=20)
    sampler = EpochBatches(torch.arange(20), 6, seed=3, training=True)
    images, labels, seed = next(iter(make_loader(ImageBatches(data.train_images, data.train_labels), sampler)))
    chosen, expected_seed = next(iter(sampler))
    assert torch.equal(images, data.train_images[chosen])
    assert images.dtype == torch.uint8
    assert torch.equal(labels, data.train_labels[chosen])
    assert seed == expected_seed

"""Measure images/s of loading, augmenting and normalising CIFAR-sized images; random pixels, so it needs no data.

python benchmarks/data.py                 two threads, batches of 128, medians of 7 passes over 50,000 images
python benchmarks/data.py --device cuda   the same with the batches on a GPU
"""

import argparse
import datetime
import platform
import statistics
import time
from collections.abc import Callable

import torch
from machine import processor
from torch import Tensor

from high_order_nets.data.images.augment import Augment
from high_order_nets.data.images.module import ImageDataModule, ImageSettings
from high_order_nets.data.images.tensors import ImageData
from high_order_nets.terminal import tolerant
from high_order_nets.training.memory import keep_freed_memory

CASES: dict[str, Augment | None] = {
    "load + normalise": None,
    "… + crop, flip (exact)": Augment(crop=4, flip=True),
    "… + crop, flip, rotation": Augment(crop=4, flip=True, rotation=15.0),
    "… + crop, flip, rotation, cutout": Augment(crop=4, flip=True, rotation=15.0, cutout=8),
}


def random_images(count: int) -> ImageData:
    """Make `count` images of noise in CIFAR's shape."""
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)
    labels = torch.randint(0, 10, (count,))
    return ImageData("noise", tuple("0123456789"), images, labels, images[:1], labels[:1])


def pass_over(module: ImageDataModule, augment: Augment | None, device: torch.device) -> Callable[[], int]:
    """Return a function that does everything between the pixels and the network for one epoch, and counts images."""

    def run() -> int:
        done = 0
        for batch, _, seed in module.train_dataloader():
            images: Tensor = batch.to(device, non_blocking=True)
            if augment:
                images = augment(images, torch.Generator(device).manual_seed(seed))
            done += len(module.prepare(images))
        if device.type == "cuda":
            torch.cuda.synchronize()
        return done

    return run


def rates(run: Callable[[], int], passes: int) -> list[float]:
    """Time `passes` runs after one to warm up; images per second of each."""
    run()
    measured = []
    for _ in range(passes):
        start = time.perf_counter()
        done = run()
        measured.append(done / (time.perf_counter() - start))
    return measured


@tolerant()
def main() -> None:
    """Print a Markdown table."""
    keep_freed_memory()  # as training does
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--passes", type=int, default=7)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    module = ImageDataModule(random_images(options.images), ImageSettings(batch_size=options.batch_size))

    print(
        f"{processor(options.device)}, {options.threads} threads, torch {torch.__version__}, "
        f"Python {platform.python_version()}, {datetime.date.today()}; {options.images:,} images 3×32×32, "
        f"batches of {options.batch_size}, {options.passes} passes\n"
    )
    print("| work | images/s, median | least | most |\n|---|--:|--:|--:|")
    for name, augment in CASES.items():
        found = rates(pass_over(module, augment, options.device), options.passes)
        print(f"| {name} | {statistics.median(found):,.0f} | {min(found):,.0f} | {max(found):,.0f} |")


if __name__ == "__main__":
    main()

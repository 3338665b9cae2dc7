"""The scaling of images that torchvision's weights were tested with, beside torchvision's own."""

from typing import Any

import pytest
import torch
from torchvision.models import get_model_weights

from high_order_nets.data.images.pretrained import of_weights, weights_of
from high_order_nets.errors import UserError


def _ends(preset: Any) -> tuple[list[float], list[float]]:
    """What 0 and 255 become, a channel each."""
    scaled = zip(preset.mean, preset.std, strict=True)
    low, high = zip(*((-mean / std, (1 - mean) / std) for mean, std in scaled), strict=True)
    return list(low), list(high)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "efficientnet_v2_l", "swin_t", "inception_v3"])
def test_images_become_what_torchvision_makes_of_them(name: str) -> None:
    images = torch.randint(0, 256, (2, 3, 50, 50), dtype=torch.uint8)
    weights = get_model_weights(name).DEFAULT  # type: ignore[attr-defined]
    # Torchvision rounds pixels after it has resized them, and cuts off what is beyond 0 and 255.
    expected = weights.transforms()(images)
    found = of_weights(weights_of(f"torchvision.models.{name}"))(images)
    assert found.shape == expected.shape
    low, high = (expected.new_tensor(ends)[:, None, None] for ends in _ends(weights.transforms()))
    assert (found.clamp(low, high) - expected).abs().max() <= 0.6 / (255 * 0.224)


def test_an_image_size_takes_the_whole_image() -> None:
    scaling = of_weights(weights_of("torchvision.models.resnet18"), 96)
    assert (scaling.image_size, scaling.resize) == (96, None)
    assert scaling(torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)).shape == (1, 3, 96, 96)
    assert scaling(torch.full((1, 3, 8, 8), 255.0))[0, 0, 0, 0] == pytest.approx((1 - 0.485) / 0.229, abs=1e-5)


def test_a_network_without_weights_is_refused() -> None:
    with pytest.raises(UserError, match="torchvision has no weights of resnet19"):
        weights_of("torchvision.models.resnet19")

"""A layer type's name, taken apart."""

import pytest
import yaml

from high_order_nets.config.catalogue import choices_of, files_of, takes_dimensions
from high_order_nets.layers import make_synapse
from high_order_nets.layers.layer_type import families
from high_order_nets.names import DIMENSIONS, layer_name


@pytest.mark.parametrize("family", families())
@pytest.mark.parametrize("dimensions", ["", *DIMENSIONS])
def test_every_name_says_its_family_and_dimensions_and_whether_neurons_multiply(family: str, dimensions: str) -> None:
    name = layer_name(family + dimensions)
    assert name == (family, dimensions)
    assert name.product == (make_synapse(family + dimensions).neuron == "product")
    assert name.product == (family != name.basis or family == "product")


@pytest.mark.parametrize("name", ["", "2d", "standard", "polynomial4d", "polynomial2", "2dpolynomial"])
def test_what_is_no_dimension_belongs_to_the_family(name: str) -> None:
    assert "".join(layer_name(name)) == name
    assert layer_name(name).dimensions == ("2d" if name == "2d" else "")


def test_the_files_of_the_layer_types_say_what_their_names_say() -> None:
    for file in files_of("layer_type"):
        node = yaml.safe_load(file.read_text())
        assert layer_name(file.stem).product == (node.get("neuron") == "product")
        assert takes_dimensions(node) == (not layer_name(file.stem).product and file.stem != "standard")
    assert {layer_name(name).family for name in choices_of("layer_type")} == {f.stem for f in files_of("layer_type")}

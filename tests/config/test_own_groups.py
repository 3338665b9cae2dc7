"""What a --config-dir offers, it offers to its own line."""

from pathlib import Path

import pytest

from high_order_nets.config.compose import plan
from high_order_nets.config.overrides import parse
from high_order_nets.errors import UserError


def test_layer_types_of_a_folder_are_gone_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "layer_type").mkdir()
    own = "_target_: high_order_nets.basis.Polynomial\nn: ${n}\nlength: ${scale}\n"
    (tmp_path / "layer_type" / "mine.yaml").write_text(own)
    (job,) = plan(parse(["layer_type=mine2d", "--config-dir", str(tmp_path)])).jobs
    assert job["layer_type"]["n"] == 3
    with pytest.raises(UserError, match="layer_type=mine2d: unknown layer type"):
        plan(parse(["layer_type=mine2d"]))

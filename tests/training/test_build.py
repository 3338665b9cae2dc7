"""What the data set or the machine cannot do is refused before anything is trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from high_order_nets.errors import UserError
from high_order_nets.tasks.experiment import build
from tests.experiments import write_images

Settings = Callable[..., dict[str, Any]]


def test_one_class_is_refused(settings: Settings, tmp_path: Path) -> None:
    write_images(tmp_path, "mnist", 1, 1, 28)
    with pytest.raises(UserError, match=r"dataset=mnist: holds one class, 0; .* at least two"):
        build(settings("dataset=mnist", f"dataset.root={tmp_path}"))
    write_images(tmp_path, "mnist", 2, 1, 28)
    assert build(settings("dataset=mnist", f"dataset.root={tmp_path}", "model_name=simple")).data.num_classes == 2


def test_compile_without_a_compiler_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/no/such/compiler")
    with pytest.raises(UserError, match=r"compile=true: torch needs a C\+\+ compiler, and /no/such/compiler is not"):
        build(settings("model_name=simple", "compile=true"))
    build(settings("model_name=simple"))

"""`train` from Python: one run, its figures, its folder and its network."""

from pathlib import Path

import pytest
import torch

from high_order_nets import train
from high_order_nets.errors import UserError
from high_order_nets.run.folder import metrics_of
from tests.runner import Runner

TINY = ("dataset=digits", "model_name=simple", "trainer=debug", "plots.enabled=false")


def test_a_run_gives_figures_folder_and_network(tmp_path: Path) -> None:
    result = train(*TINY, "n=2", run_dir=tmp_path / "a")
    assert result.folder == tmp_path / "a"
    assert result.metrics == metrics_of(result.folder)
    assert result.metrics["status"] == "finished"
    assert result.metrics["command"].endswith(f"n=2 run_dir={tmp_path / 'a'}")
    scores = result.network(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    assert scores.shape == (2, 10)
    assert train(*TINY, "n=2", run_dir=tmp_path / "a").metrics == result.metrics  # finished: only read


@pytest.mark.parametrize("words", [("-m", "n=2,3"), ("search=recipe",), ("n=2,3",)])
def test_what_has_no_one_result_is_refused(words: tuple[str, ...], runner: Runner) -> None:
    with pytest.raises(UserError, match=r"expected one run|-m"):
        train(*TINY, *words)
    assert not runner.configs


def test_errors_are_raised_and_leave_the_program_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="n=0: expected a whole number of at least 1"):
        train(*TINY, "n=0", run_dir=tmp_path)

"""benchmarks/layers.py on tiny shapes, and its GPU parts as far as a CPU can run them."""

import csv
import io
import json
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
CPU = torch.device("cpu")


@pytest.fixture
def layers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the script as `python benchmarks/layers.py` does, with rows that cost nothing."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import layers  # noqa: PLC0415
    from speed import measure  # noqa: PLC0415
    from speed.cases import Contraction, case  # noqa: PLC0415

    image, flat = Contraction(3, 4, 5, 2), Contraction(6, 4, 0, 3)
    rows = [
        case(image, "polynomial", 3, aims=(100.0, 1e6)),
        case(image, "continuous", 3, 2, sharing="channel", aims=(0.1, None)),
        case(flat, "continuous", 3, 4),
    ]
    monkeypatch.setattr(layers, "ON_CPU", rows)
    monkeypatch.setattr(layers, "EFFORTS", {("cpu", quick): measure.Effort(2, 2, 1, 1) for quick in (True, False)})
    monkeypatch.setattr(measure, "LEAST_SECONDS", 0.0)
    return layers


def test_a_stream_of_another_encoding_ends_no_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "argv", ["data.py", "--images", "64", "--passes", "1", "--threads", "1"])
    import data  # noqa: PLC0415

    data.main()
    stream.seek(0)
    assert "64 images 3?32?32" in stream.read()


def test_writes_all_results_and_compares(layers: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "speed.md").write_text(f"# Speed\n\nMy words.\n\n{layers.MARK}\nold tables\n", encoding="utf-8")
    assert layers.main(["--quick", "--out", str(tmp_path)]) == 0
    page = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert "My words." in page
    assert "old tables" not in page
    assert "≤ 0.1: **missed**" in page

    result = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))
    assert {"date", "commit", "processor", "versions", "threads"} <= set(result["circumstances"])
    candidates = [set(row["candidates"]) for row in result["rows"]]
    peer = {"peer"} if find_spec("high_order_layers_torch") else set()
    assert candidates == [{"plain", "ours"} | peer, {"plain", "ours"}, {"plain", "ours"} | peer]
    *images, flat = (row["candidates"]["ours"]["saved_bytes"] for row in result["rows"])
    assert images == [0, 0]
    assert 0 < flat <= 4000  # a small fully connected layer keeps its features
    with (tmp_path / "speed.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == sum(map(len, candidates))

    for key in ("low", "high", "median"):
        result["rows"][0]["ratios"]["step_plain"][key] = 1e9
    result["circumstances"]["threads"] = 64
    before = tmp_path / "before.json"
    before.write_text(json.dumps(result), encoding="utf-8")
    capsys.readouterr()
    assert layers.main(["--rows", "poly*", "--compare", str(before)]) == 0
    printed = capsys.readouterr().out
    assert "measured with threads: 64 → 1" in printed
    assert "step / plain" in printed


@pytest.mark.parametrize(("options", "folder"), [([], "results"), (["--quick"], "build/bench")])
def test_coarse_figures_do_not_replace_those_in_git(
    options: list[str], folder: str, layers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "ROOT", tmp_path)
    monkeypatch.setattr(layers, "ON_CPU", layers.ON_CPU[:1])
    assert layers.main(options) == 0
    assert [str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("speed.json")] == [folder]


def test_wrong_options_are_refused(layers: ModuleType, capsys: pytest.CaptureFixture) -> None:
    assert layers.main(["--rows", "nothing*"]) == 2
    assert "matches none of polynomial-n=3-3x5-b2" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        layers.main(["--compare", "missing.json"])


@pytest.mark.usefixtures("layers")
def test_bytes_are_counted_exactly() -> None:
    from speed.memory import SavedBytes, peak_bytes  # noqa: PLC0415

    x = torch.ones(1000, requires_grad=True)
    with SavedBytes([x]) as saved:
        _ = (x * x).exp() + x
    assert saved.count == 4000  # exp keeps its result, x * x only x

    def step() -> None:
        y = torch.ones(3000)
        del y
        torch.ones(1000)

    assert peak_bytes(step, CPU) == 12_000


@pytest.mark.usefixtures("layers")
def test_gpu_rows_can_run() -> None:
    from speed.gpu import on_gpu, resnet18  # noqa: PLC0415
    from speed.measure import Effort, Setting, measure  # noqa: PLC0415

    rows = on_gpu(torch.device("cuda"))
    assert len({(case.name, str(setting)) for case, setting in rows}) == len(rows)
    layer = replace(rows[0][0], shape=(1, 64, 4, 4))
    for case in (layer, resnet18(2, size=8, width=1 / 16)):
        row = measure(case, Setting(CPU, "bf16"), Effort(1, 1, 1, 0))
        assert not row["troubles"]
        assert row["ratios"]["step_plain"]["median"] > 0


def test_gpu_clock_reads_events(layers: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from speed.measure import CudaClock  # noqa: PLC0415

    calls: list[str] = []

    class Event:
        def __init__(self, enable_timing: bool):
            assert enable_timing

        def record(self) -> None:
            calls.append("record")

        def elapsed_time(self, end: Any) -> float:
            return 5.0

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: calls.append("wait"))
    assert CudaClock().time(lambda: calls.append("run"), least=1.0) == 0.005
    assert calls == ["record", "run", "record", "wait"]


@pytest.mark.usefixtures("layers")
def test_a_candidate_that_cannot_run_is_said() -> None:
    from speed.cases import Contraction, case  # noqa: PLC0415
    from speed.measure import Effort, Setting, measure  # noqa: PLC0415
    from speed.report import speed_table  # noqa: PLC0415

    class Broken(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("tensors on two devices")

    image = Contraction(3, 4, 5, 2)
    one = replace(case(image, "polynomial", 3), peer=Broken)
    row = measure(one, Setting(CPU), Effort(1, 1, 1, 0))
    if find_spec("high_order_layers_torch"):
        assert row["troubles"] == {"peer": "tensors on two devices"}
        assert "does not run" in speed_table([row])

"""The doctor finds what is there, and says what to do about what is not."""

import json
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from high_order_nets import cli
from high_order_nets.cli import doctor
from tests.experiments import write_images


def report(capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["doctor"]) == 0
    return capsys.readouterr().out


def test_versions_devices_data_and_disk(data_root: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HIGH_ORDER_NETS_DATA", str(data_root))
    said = report(capsys)
    for expected in (
        "✓ torch ",
        "✓ cpu",
        "✓ digits",
        "✓ mnist              96 + 32 images, prepared",
        "GiB free",
        "ready",
    ):
        assert expected in said


def test_missing_and_damaged_data(tmp_path: Path, monkeypatch, capsys) -> None:
    write_images(tmp_path, "mine", 3, 1, 8)
    (tmp_path / "cifar10.safetensors").write_bytes(b"not a data set")
    monkeypatch.setenv("HIGH_ORDER_NETS_DATA", str(tmp_path))
    said = report(capsys)
    assert "✓ mine" in said
    assert "delete it and run again" in said
    assert f"the first run downloads it; without a network, put its files under {tmp_path}/MNIST/raw" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cifar10.safetensors", "mine.safetensors"]


def test_texts(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HIGH_ORDER_NETS_DATA", str(tmp_path))
    splits = {split: torch.zeros(3, dtype=torch.int32) for split in ("train", "valid", "test")}
    state = json.dumps({"kind": "word", "words": ["<eos>", "a"]})
    save_file(splits, tmp_path / "wikitext-2.word.safetensors", {"dataset": "wikitext-2", "tokenizer": state})
    (tmp_path / "wikitext-2.bpe300.safetensors").write_bytes(b"not a text")
    said = report(capsys)
    assert "✓ sentences          embedded" in said
    assert "✓ wikitext2          3 + 3 + 3 tokens of 2, prepared" in said
    assert f"· wikitext2          {tmp_path}/wikitext-2.bpe300.safetensors is not a prepared wikitext-2" in said
    assert f"put its files under {tmp_path}/wikitext-103" in said
    (tmp_path / "wikitext-103").mkdir()
    for split in splits:
        (tmp_path / "wikitext-103" / f"wiki.{split}.tokens").touch()
    assert f"✓ wikitext103        in {tmp_path}/wikitext-103; checked and prepared by the first run" in report(capsys)


def test_packages(monkeypatch, capsys) -> None:
    wanted = ["torch>=99", "nosuchpackage>=1", "pytest>=1", "nosuchextra>=2; extra == 'sky'", "pytest; extra == 'sky'"]
    monkeypatch.setattr(doctor, "requires", lambda _name: wanted)
    monkeypatch.setattr(doctor, "_extras", lambda: ["sky"])
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "pip install -U 'torch>=99'" in said
    assert "✗ nosuchpackage      pip install -U 'nosuchpackage>=1'" in said
    assert "✓ pytest" in said
    assert "pip install 'high-order-nets[sky]'" in said
    assert "not ready" in said


def test_the_compiler(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("CXX", "/no/such/compiler -O3")
    assert "· c++ compiler       no /no/such/compiler -O3: for compile=true:" in report(capsys)
    monkeypatch.setenv("CXX", "sh --fast")
    assert "✓ c++ compiler       /" in report(capsys)


def test_folders(tmp_path: Path, monkeypatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _path: usage(1 << 20))
    assert all("make room" in finding.advice for finding in doctor.disks())
    monkeypatch.setattr(doctor.os, "access", lambda _path, _mode: False)
    runs, data = doctor.disks()
    assert (runs.needed, data.needed) == (True, False)
    assert "run_dir=DIR" in runs.advice
    assert "HIGH_ORDER_NETS_DATA=DIR" in data.advice


def test_it_takes_no_arguments(capsys) -> None:
    assert cli.main(["doctor", "now"]) == 2
    assert "no arguments" in capsys.readouterr().err

"""What the tab key offers, and that it comes at once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from high_order_nets import cli
from high_order_nets.cli import commands, completion
from high_order_nets.config import catalogue, compose
from high_order_nets.config.overrides import parse


def offered(line: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert cli.main(["completion", "of", f"high-order-nets {line}"]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tr", ["train "]),
        ("list m", ["models "]),
        ("completion f", ["fish "]),
        (
            "train layer_type=poly",
            ["layer_type=polynomial ", "layer_type=polynomial2d ", "layer_type=polynomial_prod "],
        ),
        ("train -m n=2 layer_type=standard,cr", ["layer_type=standard,crelu ", "layer_type=standard,crelu2d "]),
        ("train model_name=vit_b", ["model_name=vit_b_16 ", "model_name=vit_b_32 "]),
        ("train dataset=mn", ["dataset=mnist "]),
        ("train optimizer.mom", ["optimizer.momentum="]),
        ("train compile=", ["compile=true ", "compile=false "]),
        ("train domain=m", ["domain=mirror "]),
        ("train --cf", ["--cfg "]),
        ("train n=", []),
        ("nosuch x", []),
        ("train nosuch=", []),
        ("train run_dir=/no/such/", []),
    ],
)
def test_candidates(line: str, expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert offered(line, capsys) == expected


def test_commands_and_knobs_are_all_offered(capsys: pytest.CaptureFixture[str]) -> None:
    assert {f"{name} " for name in commands.COMMANDS} <= set(offered("", capsys))
    knobs = {f"{knob.key}=" for knob in catalogue.everyday_knobs()} | {f"{group}=" for group in catalogue.GROUPS}
    assert knobs <= set(offered("train ", capsys))


def test_what_is_offered_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    for key in ("domain", "dataset.normalize"):
        for word in offered(f"train {key}=", capsys):
            assert compose.plan(parse([word.strip()])).jobs


def test_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "run.ckpt").touch()
    assert offered(f"test ckpt={tmp_path}/ru", capsys) == [f"ckpt={tmp_path}/run.ckpt ", f"ckpt={tmp_path}/runs/"]


def test_a_data_set_may_be_named_as_volumes_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HIGH_ORDER_NETS_DATA", str(tmp_path))
    (tmp_path / "shapes3d.safetensors").touch()
    assert offered("train dataset=sh", capsys) == ["dataset=shapes3d "]


@pytest.mark.parametrize("group", catalogue.GROUPS)
def test_the_names_are_hydras(group: str) -> None:
    with compose._composer() as loader:
        assert catalogue.choices_of(group) == sorted(loader.get_group_options(group))


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "high-order-nets completion of" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", "bsh"]) == 2
    assert "bsh: expected one of bash, zsh, fish; nearest valid name: bash" in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_replaces_only_what_follows_the_equals_sign(tmp_path: Path) -> None:
    program = tmp_path / "high-order-nets"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m high_order_nets "$@"\n')
    program.chmod(0o755)
    line = "high-order-nets train layer_type=standard,fo"
    script = f"""PATH={tmp_path}:$PATH; eval "$(high-order-nets completion bash)"; COMP_WORDBREAKS=$' \\n='
    COMP_LINE='{line}'; COMP_POINT={len(line)}; _high_order_nets; printf '[%s]' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[standard,fourier ][standard,fourier2d ]"


@pytest.mark.parametrize("argv", [["--help"], ["list", "models"], ["completion", "of", "high-order-nets train n"]])
def test_help_and_completion_import_nothing_heavy(argv: list[str]) -> None:
    code = f"import sys; from high_order_nets.cli import main; main({argv!r}); "
    code += "sys.exit(bool({'torch', 'hydra', 'omegaconf', 'numpy'} & set(sys.modules)))"
    before = cpu_seconds()
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
    assert cpu_seconds() - before < 1  # 0.1 s; not by the clock, because the machine may be busy


def cpu_seconds() -> float:
    """Seconds that the processes that were waited for have computed."""
    times = os.times()
    return times.children_user + times.children_system


def test_every_key_of_every_group_is_described() -> None:
    knobs = [knob for group in catalogue.GROUPS if group != "layer_type" for knob in catalogue.group_knobs(group)]
    assert {"dataset.augment.crop", "optimizer.momentum", "trainer.devices"} <= {knob.key for knob in knobs}
    assert not [knob.key for knob in knobs if not knob.meaning]

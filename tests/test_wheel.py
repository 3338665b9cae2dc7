"""The wheel in an empty environment, as a stranger installs it (slow: it installs torch)."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_wheel_trains_in_an_empty_folder(tmp_path: Path) -> None:
    def call(*command: str | Path) -> str:
        environment = {key: value for key, value in os.environ.items() if key != "HIGH_ORDER_NETS_DATA"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", ROOT)
    venv.create(tmp_path / "env", with_pip=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    call(tmp_path / "env/bin/python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel)
    command = tmp_path / "env/bin/high-order-nets"
    assert "high-order-nets train" in call(command, "--help")
    assert "test accuracy" in call(command, "train", "dataset=digits", "max_epochs=1")
    assert list((tmp_path / "outputs/digits").rglob("metrics.json"))

"""Looks at what a run needs (packages, devices, data, disk) and says what to do about what is missing."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from .. import compiler
from ..config.catalogue import own_datasets
from ..errors import UserError
from ..paths import PACKAGE, data_root, project_root

NAME = "high-order-nets"
ENOUGH = 2 << 30
"""Bytes of free disk below which the doctor warns: an image data set and its runs."""
NOT_SHOWN = ("dev", "all")  # extras: for this project's developers, and the sum of the others


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found and, where a run needs it mended, what to do."""

    about: str
    found: str
    advice: str = ""
    needed: bool = False

    def __str__(self) -> str:
        mark = ("✗" if self.needed else "·") if self.advice else "✓"
        return (
            f"  {mark} {self.about:<18} {self.found}{': ' if self.found and self.advice else ''}{self.advice}".rstrip()
        )


def examine() -> tuple[list[str], bool]:
    """Return the lines of the report, and whether a run can work here."""
    sections = {"Versions": versions(), "Extras": extras(), "Devices": devices(), "Data": data(), "Disk": disks()}
    lines, healthy = [f"{NAME} in {PACKAGE}"], True
    for title, findings in sections.items():
        found = list(findings)
        lines += ["", title, *map(str, found)] if found else []
        healthy = healthy and not any(finding.needed and finding.advice for finding in found)
    return [*lines, "", "ready" if healthy else "not ready: mend what is marked ✗"], healthy


def versions() -> Iterator[Finding]:
    """Compare Python and each required package with what this program was made for."""
    system = f"{platform.system()} {platform.machine()}"
    yield Finding("python", f"{platform.python_version()} ({system}), {sys.prefix}")
    for requirement in _requirements():
        if requirement.marker is None:
            yield _package(requirement, f"pip install -U '{requirement}'", needed=True)


def extras() -> Iterator[Finding]:
    """Say which optional parts are installed."""
    for extra in _extras():
        wanted = [r for r in _requirements() if r.marker and r.marker.evaluate({"extra": extra})]
        packages = [_package(requirement, "missing") for requirement in wanted]
        found = ", ".join(f"{package.about} {package.found}" for package in packages if package.found)
        missing = any(package.advice for package in packages)
        yield Finding(extra, found, f"pip install '{NAME}[{extra}]'" if missing else "")


def devices() -> Iterator[Finding]:
    """Name what can train."""
    yield Finding("cpu", f"{os.cpu_count()} cores; OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}")
    yield _compiler()
    try:
        import torch  # noqa: PLC0415 - may be what is missing
    except ImportError as error:
        yield Finding("torch", str(error), "pip install -U torch torchvision", needed=True)
        return
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield Finding(f"cuda:{index}", f"{properties.name}, {_size(properties.total_memory)}")
    if torch.backends.mps.is_available():
        yield Finding("mps", "Apple's GPU; trainer.accelerator=mps")
    elif not torch.cuda.device_count():
        driver = "the driver is there, but not for this torch; see pytorch.org" if shutil.which("nvidia-smi") else ""
        yield Finding("gpu", "none", driver or "trainer=auto takes the CPU; experiment=cifar100_cpu is made for it")


def _compiler() -> Finding:
    """Look for what `compile=true` needs on a CPU."""
    path = compiler.found()
    return Finding(
        "c++ compiler", path or f"no {compiler.command()}", "" if path else f"for compile=true: {compiler.advice()}"
    )


def data() -> Iterator[Finding]:
    """Say which data sets lie on this machine, and what happens to those that do not."""
    root = data_root()
    yield Finding("root", f"{root} ({'$HIGH_ORDER_NETS_DATA' if 'HIGH_ORDER_NETS_DATA' in os.environ else 'default'})")
    yield Finding("digits", "embedded")
    yield Finding("sentences", "embedded")
    try:
        from ..data.images.sources import SOURCES  # noqa: PLC0415 - needs torch
        from ..data.text.files import WIKITEXT  # noqa: PLC0415
    except ImportError:  # said under Devices
        return
    for name in sorted({*SOURCES, *own_datasets(root)}):
        yield _data_set(name, root)
    for name in WIKITEXT:
        yield from _wikitext(name, root)


def _data_set(name: str, root: Path) -> Finding:
    from ..data.images.prepared import read_prepared  # noqa: PLC0415 - needs torch
    from ..data.images.sources import find_source  # noqa: PLC0415

    path = root / f"{name}.safetensors"
    if path.exists():
        try:
            images = read_prepared(path, name)
        except UserError as error:
            return Finding(name, "", str(error))
        return Finding(name, f"{len(images.train_images):,} + {len(images.test_images):,} images, prepared")
    source = find_source(name, root)
    return _unprepared(name, source.present(), source.folder)


def _wikitext(name: str, root: Path) -> Iterator[Finding]:
    from ..data.text.corpus import read_prepared  # noqa: PLC0415 - needs torch
    from ..data.text.files import wikitext  # noqa: PLC0415

    text = wikitext(name, root, ())
    made = sorted(root.glob(f"{text.stem}.*.safetensors"))  # one a tokenizer
    if not made:
        yield _unprepared(name, text.present(), text.folder)
    for path in made:
        try:
            corpus = read_prepared(path, text.stem)
        except UserError as error:
            yield Finding(name, "", str(error))
        else:
            tokens = " + ".join(f"{len(split):,}" for split in (corpus.train, corpus.valid, corpus.test))
            yield Finding(name, f"{tokens} tokens of {len(corpus.tokenizer):,}, prepared")


def _unprepared(name: str, present: bool, folder: Path) -> Finding:
    if present:
        return Finding(name, f"in {folder}; checked and prepared by the first run")
    return Finding(name, "not there", f"the first run downloads it; without a network, put its files under {folder}")


def disks() -> Iterator[Finding]:
    """Look at the folders that a run writes into."""
    for about, folder in (("runs", project_root() / "outputs"), ("data", data_root())):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
        if not os.access(there, os.W_OK):
            other = "run_dir=DIR" if about == "runs" else "HIGH_ORDER_NETS_DATA=DIR"
            yield Finding(about, f"{there} cannot be written", f"use another folder, {other}", needed=about == "runs")
        else:
            advice = "make room, or use another disk" if free < ENOUGH else ""
            yield Finding(about, f"{_size(free)} free for {folder}", advice)


def _requirements() -> list[Requirement]:
    try:
        return [Requirement(line) for line in requires(NAME) or ()]
    except PackageNotFoundError:  # a bare checkout on the path
        return []


def _extras() -> list[str]:
    try:
        return [name for name in metadata(NAME).get_all("Provides-Extra") or () if name not in NOT_SHOWN]
    except PackageNotFoundError:
        return []


def _package(requirement: Requirement, advice: str, needed: bool = False) -> Finding:
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return Finding(requirement.name, "", advice, needed)
    fits = requirement.specifier.contains(found, prereleases=True)
    return Finding(requirement.name, found, "" if fits else advice, needed)


def _size(count: float) -> str:
    return f"{count / (1 << 30):,.1f} GiB"

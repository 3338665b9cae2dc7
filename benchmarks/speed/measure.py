"""Time and memory of a row's candidates, in turn in one process."""

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from .cases import Case, Factory
from .memory import SavedBytes, peak_bytes

Run = Callable[[], None]
LEAST_SECONDS = 0.02
"""A timing shorter than this would measure Python and the clock."""


class Spread(NamedTuple):
    """Median and quartiles of what was measured in so many rounds."""

    median: float
    low: float
    high: float
    rounds: int

    @staticmethod
    def of(values: list[float]) -> "Spread":
        """Summarise; a single value has no spread."""
        if len(values) == 1:
            return Spread(values[0], values[0], values[0], 1)
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return Spread(median, low, high, len(values))


@dataclass(frozen=True)
class Effort:
    """How often to measure: rounds, those of the peer and of a peer that needs seconds; warm-ups are thrown away."""

    rounds: int
    peer: int
    slow_peer: int
    warmups: int


class Clock(Protocol):
    """A way of timing a run on some device."""

    def time(self, run: Run, least: float) -> float:
        """Seconds of one run, taken from as many of them as need at least `least` seconds."""
        ...


class ThreadClock:
    """CPU time of this thread, which does not count what other processes take from it."""

    def time(self, run: Run, least: float) -> float:
        """Repeat until the time is long enough to be told from the clock's and Python's own."""
        start, runs, taken = time.thread_time(), 0, 0.0
        while taken < least or runs == 0:
            run()
            runs += 1
            taken = time.thread_time() - start
        return taken / runs


class CudaClock:
    """Time between two events on the GPU."""

    def time(self, run: Run, least: float) -> float:
        """One run: launching several would hide what the first one waits for."""
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1000


@dataclass(frozen=True)
class Setting:
    """Where and in what precision a row is measured; `bf16` is autocast, `tf32` float32 with tensor cores."""

    device: torch.device
    precision: str = "float32"
    compiled: bool = False

    def __str__(self) -> str:
        return f"{self.precision}, {'compiled' if self.compiled else 'eager'}"

    @property
    def clock(self) -> Clock:
        """The device's clock."""
        return CudaClock() if self.device.type == "cuda" else ThreadClock()

    def autocast(self) -> AbstractContextManager[Any]:
        """Round as the precision says."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext()

    def laid_out(self, tensor: Tensor) -> Tensor:
        """Put channels last where convolutions are faster for it."""
        last = self.device.type == "cuda" and tensor.dim() == 4
        return tensor.contiguous(memory_format=torch.channels_last) if last else tensor

    def enter(self) -> None:
        """Set what torch keeps for the whole process."""
        if self.compiled:
            torch.compiler.reset()  # A compiler that has seen many rows gives up on the next without a word.
        if self.device.type != "cuda":
            return
        tf32 = self.precision == "tf32"
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True


class Candidate:
    """A module at an input: what is timed."""

    def __init__(self, name: str, build: Factory, case: Case, setting: Setting):
        self._name, self._setting = name, setting
        with self._on_device():
            module = build().to(setting.device)
        for parameter in module.parameters():
            parameter.data = setting.laid_out(parameter.data)
        self._parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._module = torch.compile(module) if setting.compiled else module
        self.x = setting.laid_out(torch.empty(case.shape, device=setting.device))
        self.refresh()
        self.x.requires_grad_()
        self._optimizer = torch.optim.AdamW(self._parameters, lr=1e-3) if case.trains else None
        self._grad: Tensor | None = None

    def refresh(self) -> None:
        """Draw new inputs in [-1, 1]."""
        with torch.no_grad():
            self.x.uniform_(-1, 1)

    def _output(self) -> Tensor:
        with self._setting.autocast(), self._on_device():
            return self._module(self.x)

    def _on_device(self) -> AbstractContextManager[Any]:
        """Make the device the default one for the peer, whose nodes and index tensors do not follow the input."""
        away = self._name == "peer" and self._setting.device.type != "cpu"
        return self._setting.device if away else nullcontext()  # type: ignore[return-value]

    def forward(self) -> None:
        """Compute the output as in inference."""
        with torch.no_grad():
            self._output()

    def step(self, watch: AbstractContextManager[Any] | None = None) -> None:
        """Compute the output, watched, and the gradients of the input and all parameters; a network takes its step."""
        with watch or nullcontext():
            y = self._output()
        if self._grad is None:
            self._grad = torch.rand_like(y)
        y.backward(self._grad)
        if self._optimizer is not None:
            self._optimizer.step()
        for leaf in (self.x, *self._parameters):
            leaf.grad = None

    def figures(self) -> dict[str, Any]:
        """Bytes kept for the backward pass and held at most, beside x and the parameters, and the contractions' flops.

        The peer's flops would say nothing.
        """
        saved = SavedBytes([self.x, *self._parameters])
        counter = FlopCounterMode(display=False) if self._name != "peer" else None
        with counter or nullcontext():
            peak = peak_bytes(partial(self.step, saved), self._setting.device)
        return {"saved_bytes": saved.count, "peak_bytes": peak, "flops": counter.get_total_flops() if counter else 0}


def measure(case: Case, setting: Setting, effort: Effort) -> dict[str, Any]:
    """Measure one row: for each candidate times, memory and operations, and the ratios round by round."""
    setting.enter()
    candidates, figures, troubles = _built(case, setting)
    rounds = dict.fromkeys(candidates, effort.rounds)
    if "peer" in rounds:
        rounds["peer"] = effort.slow_peer if case.slow_peer else effort.peer
    times = {what: _in_turn(candidates, what, rounds, setting.clock, effort.warmups) for what in ("forward", "step")}
    for name, figure in figures.items():
        figure |= {f"{what}_seconds": Spread.of(times[what][name])._asdict() for what in times}
        figure["tflops_per_second"] = figure.pop("flops") / figure["step_seconds"]["median"] / 1e12
    return {
        "row": case.name,
        "setting": str(setting),
        "label": case.label,
        "aims": {"floor": case.floor, "at_most": case.at_most, "at_least": case.at_least},
        "candidates": figures,
        "troubles": troubles,
        "ratios": _ratios(times),
    }


def _built(case: Case, setting: Setting) -> tuple[dict[str, Candidate], dict[str, dict[str, Any]], dict[str, str]]:
    """Build the candidates that can run there, with their figures, and say why others cannot; this warms up, too."""
    candidates, figures, troubles = {}, {}, {}
    for name, build in case.builders().items():
        try:
            candidates[name] = Candidate(name, build, case, setting)
            figures[name] = candidates[name].figures()
        except RuntimeError as error:  # out of memory, or a peer that makes tensors on the CPU
            candidates.pop(name, None)
            troubles[name] = str(error).splitlines()[0]
    return candidates, figures, troubles


def _in_turn(
    candidates: dict[str, Candidate], what: str, rounds: dict[str, int], clock: Clock, warmups: int
) -> dict[str, list[float]]:
    """Time the candidates in turn, so that what disturbs the machine disturbs all of them."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(-warmups, max(rounds.values(), default=0)):
        for name, candidate in candidates.items():
            if turn >= rounds[name] or (turn < 0 and rounds[name] < max(rounds.values())):
                continue
            candidate.refresh()
            taken = clock.time(getattr(candidate, what), least=LEAST_SECONDS)
            if turn >= 0:
                times[name].append(taken)
    return times


def _ratios(times: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, float]]:
    """Divide round by round: ours by the plain layer, the peer by ours."""
    found = {}
    for what, taken in times.items():
        for key, above, below in (("plain", "ours", "plain"), ("peer", "peer", "ours")):
            if above in taken and below in taken:
                values = [a / b for a, b in zip(taken[above], taken[below], strict=False)]
                found[f"{what}_{key}"] = Spread.of(values)._asdict()
    return found

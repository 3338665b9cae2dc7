"""Memory of one step."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile


class SavedBytes:
    """Count the bytes that autograd keeps of what is computed within, every storage once, those of `known` not at all.

    `count` has them afterwards.
    """

    def __init__(self, known: list[Tensor]):
        self._known, self.count = known, 0
        self._kept: dict[int, Tensor] = {}  # Held until the end: a freed storage's address may be another's next.
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._keep, lambda tensor: tensor)

    def __enter__(self) -> "SavedBytes":
        self._hooks.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._hooks.__exit__(*exception)
        ours = {tensor.untyped_storage().data_ptr() for tensor in self._known}
        self.count = sum(t.untyped_storage().nbytes() for address, t in self._kept.items() if address not in ours)
        self._kept.clear()

    def _keep(self, tensor: Tensor) -> Tensor:
        self._kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor


def peak_bytes(step: Callable[[], None], device: torch.device) -> int:
    """Count the most bytes that a step holds at once above what is there before it.

    What torch's allocators give out: not what a library such as oneDNN takes from the system by itself.
    """
    if device.type == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        step()
    results = profiler.profiler.kineto_results  # type: ignore[union-attr] (its events alone tell the order)
    changes = sorted((event.start_ns(), event.nbytes()) for event in results.events() if event.name() == "[memory]")  # type: ignore[attr-defined,union-attr]
    held = peak = 0
    for _, change in changes:
        held += change
        peak = max(peak, held)
    return peak

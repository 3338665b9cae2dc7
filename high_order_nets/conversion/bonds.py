"""What ties a module to others, or hangs on it, and would be lost or broken if it were replaced."""

from collections.abc import Iterator
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

_OWN = ("_parameters", "_buffers", "_modules")
_PARTS = {"weight", "bias", "running_mean", "running_var", "running_whitening", "num_batches_tracked"}
_PARTS |= {"squeeze_weight", "excite_weight"}
"""What torch and this library give the layers, norms, activations and gates that can be replaced."""


class Bonds:
    """The bonds of all modules of a network, as it is now."""

    def __init__(self, net: nn.Module):
        self._shared = shared_parameters(net)
        self._held = held_elsewhere(net)

    def reason(self, module: nn.Module) -> str | None:
        """Say why the module cannot be replaced; None where nothing is tied to it."""
        return attachment(module) or self._tie(module)

    def _tie(self, module: nn.Module) -> str | None:
        own = [id(p) for p in module._parameters.values() if p is not None]
        if places := sorted({self._shared[key] for key in own if key in self._shared}):
            return f"tied: {', '.join(places)} are one parameter"
        holder = next((self._held[key] for key in (id(module), *own) if key in self._held), None)
        return f"{holder} holds it too, outside of the modules" if holder else None


def attachment(module: nn.Module) -> str | None:
    """Name what hangs on a module and would be lost with it; None where there is nothing."""
    if is_parametrized(module):
        return "its parameters are parametrised"
    if kinds := [key for key in vars(module) if key.endswith("_hooks") and vars(module)[key]]:
        return f"it has hooks ({', '.join(kind.strip('_') for kind in kinds)})"
    if added := sorted({*module._parameters, *module._buffers, *module._modules} - _PARTS):
        return f"it was given parts of its own ({', '.join(added)})"
    return "it was given a forward of its own" if "forward" in vars(module) else None


def given_attributes(module: nn.Module) -> dict[str, Any]:
    """Give the plain attributes that somebody has set on one of torch's layers, norms or activations."""
    torchs = {*vars(nn.Module()), *getattr(module, "__constants__", ()), "transposed", "init"}
    return {key: value for key, value in vars(module).items() if key not in torchs and not key.startswith("_")}


def shared_parameters(net: nn.Module) -> dict[int, str]:
    """Name, for each parameter that several modules hold, by its id, the places that it is in."""
    places: dict[int, list[str]] = {}
    for name, module in net.named_modules():
        for key, parameter in module._parameters.items():
            if parameter is not None:
                places.setdefault(id(parameter), []).append(f"{name}.{key}".lstrip("."))
    return {key: " and ".join(names) for key, names in places.items() if len(names) > 1}


def held_elsewhere(net: nn.Module) -> dict[int, str]:
    """Name, for modules and parameters in plain attributes (lists, objects, bound methods), by id, the attribute.

    Whoever goes that way would still find what was replaced.
    """
    registered = {id(module) for module in net.modules()}
    found: dict[int, str] = {}
    for module in net.modules():
        for key, value in vars(module).items():
            if key not in _OWN:
                for held in _held(value, registered):
                    found.setdefault(id(held), f"{type(module).__name__}.{key}")
    return found


def _held(value: Any, registered: set[int]) -> Iterator[nn.Module | Tensor]:
    """Find the modules and parameters that can be reached from a value."""
    seen: set[int] = set()
    left = [value]
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, nn.Module | nn.Parameter):
            yield value
        if not (isinstance(value, Tensor) or id(value) in registered):
            left += _inside(value)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, MethodType):
        return [value.__self__]
    if isinstance(value, partial):
        return [value.func, *value.args, *value.keywords.values()]
    # A function's own variables are not copied with a network: they are those of the one it was copied from.
    known = isinstance(value, type | ModuleType | FunctionType) or type(value).__module__ == "logging"
    return [] if known else list(getattr(value, "__dict__", {}).values())

"""What a conversion is to do to a network, and the doing of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from torch import nn

from ..layers import HighOrder, HighOrderLayer, LayerType, LowRank
from ..layers.layer_type import LAYERS
from .bonds import Bonds, given_attributes
from .counting import count_parameters, count_reduced_parameters
from .keep import Keeping
from .patterns import matches
from .pooling import add_pool_function
from .report import Kept, Report, Swap
from .source import STATISTICS, reader_of
from .swaps import (
    is_activation,
    is_gate,
    kept_reason,
    make_activation,
    make_norm,
    turn_off_fast_path,
    uses_functional_activation,
)
from .widths import scale_width


@dataclass
class Plan:
    """What is to be done to a network, and what was done."""

    main: LayerType | None
    types: dict[str, LayerType | None]
    norm: str
    activation: str
    auto: bool
    skip: tuple[str, ...]
    pool_function: bool = False
    keep: bool = False
    swapped: list[Swap] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    new: list[nn.Module] = field(default_factory=list)
    new_layers: set[nn.Module] = field(default_factory=set)
    bending: set[nn.Module] = field(default_factory=set)
    added: str | None = None
    keeping: Keeping | None = None

    def fresh(self) -> "Plan":
        """Give the same plan, of which nothing is done yet."""
        own = self.main, self.types, self.norm, self.activation, self.auto, self.skip
        return Plan(*own, self.pool_function, self.keep)

    @property
    def standard(self) -> bool:
        """Say whether no layer is to be replaced."""
        return all(each is None for each in (self.main, *self.types.values()))

    def apply(self, net: nn.Module, divisor: float) -> None:
        """Do it, in place."""
        if divisor != 1:
            scale_width(net, divisor, f"rescale_planes={divisor:g}")
        if self.keep:
            self.keeping = Keeping(net)
        if not self.standard:
            self._swap_layers(net)
        if self.norm != "keep":
            self._swap_norms(net)
        if self.pool_function:
            self.added = add_pool_function(net, self.main)
        if self.keeping and self.added:
            self.keeping.add_pool_function(net)
        if self.activation != "keep":
            self._swap_activations(net)
        turn_off_fast_path(net, self.new)
        if self.keeping:
            self.keeping.begin()
        elif self.new_layers and (start := getattr(net, "init_converted", None)):
            start()

    def report(self, before: nn.Module, after: nn.Module, divisor: float) -> Report:
        """Say what was done."""
        counts = count_parameters(before), count_parameters(after), count_reduced_parameters(after)
        report = Report(tuple(self.swapped), tuple(self.kept), *counts, divisor, self.added)
        return replace(report, likeness=self.keeping.likeness, lost=self.keeping.lost) if self.keeping else report

    def _alone(self, net: nn.Module, bonds: Bonds, name: str, module: nn.Module) -> bool:
        """Say whether a norm or an activation may go; note why not."""
        reason = bonds.reason(module) or reader_of(net, name, STATISTICS)
        if reason:
            self.kept.append(Kept(name, type(module).__name__, reason))
        return reason is None

    def _swap_layers(self, net: nn.Module) -> None:
        bonds = Bonds(net)
        names = list(self.types)
        for name, module in list(net.named_modules()):
            reason = skipped(self.skip, name, names) or (bonds.reason(module) if name in self.types else None)
            reason = reason or kept_reason(net, name, module, LAYERS)
            if type(module) in LAYERS:
                reason = reason or self._unsuited(name, module)
            if reason:
                self.kept.append(Kept(name, type(module).__name__, reason))
            elif (new_type := self.types.get(name)) is not None:
                new = self._stand_in(new_type, name, module)
                self.new_layers.add(new)
                self.bending |= {new} if new_type.bends else set()
                self._replace(net, module, name, new)

    def _stand_in(self, layer_type: LayerType, name: str, layer: nn.Module) -> nn.Module:
        """Make what replaces a layer; where weights are kept it is to begin as that layer."""
        if self.keeping is None or not isinstance(layer_type, HighOrder):
            return layer_type.replace(layer)
        new = layer_type.replace(layer, keep_bias=True)
        self.keeping.add(name, new, layer)
        return new

    def _unsuited(self, name: str, layer: nn.Module) -> str | None:
        layer_type = self.types[name]
        return "layer_type=standard" if layer_type is None else layer_type.unsuited(layer)

    def _swap_norms(self, net: nn.Module) -> None:
        found, bonds = False, Bonds(net)
        for name, module in list(net.named_modules()):
            new = make_norm(self.norm, module)
            found = found or new is not None
            if isinstance(new, nn.Module) and self._alone(net, bonds, name, module):
                self._replace(net, module, name, new)
            elif isinstance(new, str):
                self.kept.append(Kept(name, type(module).__name__, new))
        if not found:
            self.kept.append(Kept("", type(net).__name__, f"norm={self.norm}: it has no norms to swap"))

    def _swap_activations(self, net: nn.Module) -> None:
        bonds, found = Bonds(net), {}
        for name, module in list(net.named_modules()):
            if not is_activation(module) and uses_functional_activation(module):
                reason = f"activation={self.activation}: its forward calls an activation function, not a module"
                self.kept.append(Kept(name, type(module).__name__, reason))
            if not is_activation(module):
                continue
            if not self._among_swapped(net, name):
                self.kept.append(Kept(name, type(module).__name__, "not between converted layers"))
            elif self._alone(net, bonds, name, module):
                found[name] = module
        stays = self.keeping.take_over(found, self.auto) if self.keeping else {}
        self.kept += [Kept(name, type(found[name]).__name__, reason) for name, reason in stays.items()]
        for name, module in found.items():
            if name not in stays:
                self._replace(net, module, name, make_activation(self.activation).to(next(net.parameters())))

    def _among_swapped(self, net: nn.Module, name: str) -> bool:
        """Say whether the nearest enclosing block with layers has a swapped one (all have in a standard network).

        Only one that bends counts where that is what activations are taken out for.
        """
        swapped = self.bending if self.auto else self.new_layers
        while name:
            name = name.rpartition(".")[0]
            block = net.get_submodule(name)
            if is_gate(block):
                return False
            if any(isinstance(m, HighOrderLayer) or m in swapped for m in block.modules()):
                return True
            if any(isinstance(m, LAYERS) for m in block.modules()):
                return self.standard
        return False

    def _replace(self, net: nn.Module, old: nn.Module, name: str, new: nn.Module) -> None:
        frozen = isinstance(old._parameters.get("weight"), nn.Parameter) and not old.weight.requires_grad  # type: ignore[union-attr]
        if frozen:
            new.requires_grad_(False)
        for key, value in given_attributes(old).items():
            if not hasattr(new, key):
                setattr(new, key, value)
        for parent in list(net.modules()):
            for child_name, child in list(parent._modules.items()):
                if child is old:
                    setattr(parent, child_name, new.train(old.training))
        self.new.append(new)
        own = str(getattr(new, "synapse", ""))
        functions = f"{new.main.synapse}, rank={new.rank}" if isinstance(new, LowRank) else own
        self.swapped.append(Swap(name, type(old).__name__, type(new).__name__, frozen, functions, self.keep))


def skipped(left: tuple[str, ...], name: str, names: Sequence[str]) -> str | None:
    """Say which of the patterns to be left a layer is of."""
    for pattern in left:
        if name in names and matches(pattern, name, names):
            return "linear head" if pattern == "head" else f"skip={pattern}"
    return None

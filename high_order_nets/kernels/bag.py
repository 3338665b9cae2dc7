"""The kernel for fully connected layers of many segments: only the live weights are read."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..basis import Piecewise
from ..basis.synapse import Synapse
from .contraction import Call, Contraction, Gradients
from .dense import Dense
from .parameters import without_autocast

SEGMENTS = 16
"""From so many segments on the bag is faster than the dense kernel, forward and backward (results/speed.md)."""
FEW = 8
"""How many times as many weights as lookups there have to be for a table to cost more than it saves."""
PIECE = 2**21
"""Live weights looked up at a time: 16 MB of indices."""


def prefers_bag(synapse: Synapse) -> bool:
    """Say whether a fully connected layer of these synapses is faster with the bag."""
    many = isinstance(synapse.basis, Piecewise) and synapse.basis.segments >= SEGMENTS
    plain = synapse.parameters == "nodal" and not synapse.shared and synapse.base is None
    return many and plain and synapse.neuron == "sum"


class Bag:
    """y_o = Σ_i Σ_j b_j(x_i) w_{o,j,i} over the n live j of each input, as torch's embedding_bag sums rows.

    The work does not depend on the number of segments. It has been measured on CPUs in float32 and float64.
    """

    def suits(self, call: Call) -> bool:
        """Say yes to fully connected piecewise layers of many segments."""
        x, weight = call.x, call.parameters.weight
        if x.device.type != "cpu" or x.dim() != 2 or weight.dim() != 3 or not prefers_bag(call.layer.synapse):
            return False
        return x.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled("cpu")

    def plain(self, call: Call) -> Tensor:
        """Compute the output as the dense kernel does: lookups have no derivative by plain operations."""
        return Dense().plain(call)

    def evaluate(self, call: Call) -> Tensor:
        """Compute the output."""
        layer, x, parameters, _ = call
        weight = layer.rescaled(parameters.weight)
        y = _few_sums(layer, weight, x) if _few(layer, x) else _sums(layer, weight, x)
        return y if parameters.bias is None else y.add_(parameters.bias)

    def gradients(self, call: Call, grad: Tensor, needed: Sequence[bool]) -> Gradients:
        """Look the live weights up again; only their rows of the weight's gradient are written."""
        layer, x, parameters, _ = call
        with without_autocast(x):
            table = _table(layer.rescaled(parameters.weight))
            x_grads, table_grad = [], torch.zeros(0)
            for piece, piece_grad in zip(x.split(_rows(layer)), grad.split(_rows(layer)), strict=True):
                index, values, slopes = _live(layer, piece)
                if needed[1]:
                    part = _table_gradient(len(table), index, values, piece_grad)
                    table_grad = table_grad.add_(part) if len(table_grad) else part
                if needed[0]:
                    x_grads.append(_input_gradient(table, index, slopes, piece_grad))
        weight_grad = layer.rescaled(_untabled(table_grad, parameters.weight)) if needed[1] else None
        bias_grad = grad.sum(0) if needed[2] else None
        return torch.cat(x_grads) if needed[0] else None, weight_grad, bias_grad, None, None, None


def _sums(layer: Contraction, weight: Tensor, x: Tensor) -> Tensor:
    """Sum the live weights of each sample, rows of a table: (rows, out)."""
    table, outputs = _table(weight), []
    for piece in x.split(_rows(layer)):
        index, values, _ = _live(layer, piece)
        outputs.append(F.embedding_bag(index.flatten(1), table, mode="sum", per_sample_weights=values.flatten(1)))
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _few_sums(layer: Contraction, weight: Tensor, x: Tensor) -> Tensor:
    """Sum the live weights of each sample where they lie, without a copy of all of them: (rows, out)."""
    index, values, _ = _live(layer, x)
    weight = weight.flatten(1)
    live = zip(index.flatten(1), values.flatten(1), strict=True)
    return torch.stack([weight.index_select(1, columns).mv(factors) for columns, factors in live])


def _few(layer: Contraction, x: Tensor) -> bool:
    """Say whether the samples look up far fewer weights than there are."""
    basis = layer.synapse.basis
    assert isinstance(basis, Piecewise)
    return 0 < FEW * basis.n * x.shape[0] <= basis.weights


def _live(layer: Contraction, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give rows of the table (rows, in, n), and there b_j and db_j/dx."""
    index, values, slopes = layer.synapse.live(x)
    return index * x.shape[1] + torch.arange(x.shape[1])[:, None], values, slopes


def _table(weight: Tensor) -> Tensor:
    """(out, M, in) → (M · in, out), rows one after another in memory: a copy, but far less work than the lookups."""
    return weight.flatten(1).t().contiguous()


def _untabled(table: Tensor, weight: Tensor) -> Tensor:
    return table.t().contiguous().view(weight.shape)


def _table_gradient(rows: int, index: Tensor, values: Tensor, grad: Tensor) -> Tensor:
    """Scatter the output's gradient to the live rows of a table, zeros elsewhere."""
    bags, lookups = index.shape[0], index.shape[1:].numel()
    # What embedding_bag's own backward calls; autograd would make us look everything up once more before.
    return torch.ops.aten._embedding_bag_dense_backward(  # type: ignore[no-any-return]
        grad.contiguous(),
        index.flatten(),
        torch.arange(bags).repeat_interleave(lookups),
        torch.full((bags,), lookups),
        torch.empty(0, dtype=torch.int64),
        rows,
        False,
        0,  # mode="sum"
        values.flatten(),
    )


def _input_gradient(table: Tensor, index: Tensor, slopes: Tensor, grad: Tensor) -> Tensor:
    """∂x_i = Σ_j b_j'(x_i) Σ_o grad_o w_{o,j,i}; one sample at a time, whose weights fit into the cache."""
    dots = [
        torch.mv(table.index_select(0, rows.flatten()), row_grad) for rows, row_grad in zip(index, grad, strict=True)
    ]
    if not dots:  # no samples
        return slopes.sum(-1)
    return (torch.stack(dots).view_as(slopes) * slopes).sum(-1)


def _rows(layer: Contraction) -> int:
    assert isinstance(layer.synapse.basis, Piecewise)
    return max(1, PIECE // (layer.inputs.channels * layer.synapse.basis.n))

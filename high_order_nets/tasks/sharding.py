"""A network whose parameters are shared out among processes, each of which holds a part of every one."""

from collections import Counter
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


def shard(net: nn.Module, mesh: "DeviceMesh") -> None:
    """Share the parameters out, in place; those of a child are put together for its forward and backward alone.

    Parameters that several children have, and those of the network itself, are together as long as the network runs.
    """
    from torch.distributed.fsdp import fully_shard  # noqa: PLC0415 - slow to import

    owners = Counter(parameter for child in net.children() for parameter in set(child.parameters()))
    for child in net.children():
        if (own := list(child.parameters())) and all(owners[parameter] == 1 for parameter in own):
            fully_shard(child, mesh=mesh)
    fully_shard(net, mesh=mesh)

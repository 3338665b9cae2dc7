"""High-order layers: a basis, then an ordinary contraction."""

from ..basis.domain import DOMAINS
from ..basis.synapse import Synapse
from .activation import HighOrderActivation
from .base import HighOrderLayer
from .conv import HighOrderConv1d, HighOrderConv2d, HighOrderConv3d
from .conv_transpose import HighOrderConvTranspose1d, HighOrderConvTranspose2d, HighOrderConvTranspose3d
from .coordinates import FourierFeatures, Sinusoidal, mesh, rotated
from .helpers import high_order_convolution_layers, high_order_convolution_transpose_layers, high_order_fc_layers
from .high_order import HighOrder
from .init import INITS
from .layer_type import LayerType, as_synapse, make_synapse
from .linear import HighOrderLinear
from .low_rank import LowRank
from .norm import IBN, L2, IterNorm, MaxAbs, MaxCenter, SharedNorm
from .product import HighOrderProduct, Product, fully_connected
from .tensor_product import HighOrderTensorProduct

__all__ = [
    "DOMAINS",
    "IBN",
    "INITS",
    "L2",
    "FourierFeatures",
    "HighOrder",
    "HighOrderActivation",
    "HighOrderConv1d",
    "HighOrderConv2d",
    "HighOrderConv3d",
    "HighOrderConvTranspose1d",
    "HighOrderConvTranspose2d",
    "HighOrderConvTranspose3d",
    "HighOrderLayer",
    "HighOrderLinear",
    "HighOrderProduct",
    "HighOrderTensorProduct",
    "IterNorm",
    "LayerType",
    "LowRank",
    "MaxAbs",
    "MaxCenter",
    "Product",
    "SharedNorm",
    "Sinusoidal",
    "Synapse",
    "as_synapse",
    "fully_connected",
    "high_order_convolution_layers",
    "high_order_convolution_transpose_layers",
    "high_order_fc_layers",
    "make_synapse",
    "mesh",
    "rotated",
]

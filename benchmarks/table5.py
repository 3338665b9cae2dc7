"""Table 5 of Deep Polynomial Neural Networks and what seed 002 did of it, results/table5.md; for a GPU.

comparison.py says how it is run. A row is minutes on a GPU of 2024, a day on a CPU.
"""

import sys

from comparison import Comparison

NETWORKS = {
    "resnet18": ("ResNet-18", "experiment=resnet18_cifar"),
    "resnet-2211": ("ResNet [2,2,1,1], the control without products", "experiment=resnet_2211"),
    "table5": ("ProdPoly, the size of the paper", "experiment=pinet_table5"),
    "sum": ("the same with a sum for the product, the other control", "experiment=pinet_table5 block=table5_sum"),
    "pi": ("what seed 002 built", "experiment=pinet_seed block.zero_init=false"),
    "pi-zero": ("the same, its products from 0", "experiment=pinet_seed"),
    "rpoly": ("R-PolyNets", "experiment=rpolynet18"),
    "dpoly": ("D-PolyNets", "experiment=dpolynet18"),
    "pdc": ("PDC, small", "experiment=pdc18"),
}
MOMENTUM, DECAY, DATA = "optimizer=sgd_heavy_ball", "weight_decay=5e-4", "train_fraction=1"
TORCH = "model_name.start=torch"
SEED = {
    "seed": ("what seed 002 did, torchvision's start", "experiment=table5_seed"),
    "seed-torch": ("… as mmpretrain's get_model leaves it", f"experiment=table5_seed {TORCH}"),
    "seed-momentum": ("with momentum", f"experiment=table5_seed {MOMENTUM}"),
    "seed-decay": ("with weight decay", f"experiment=table5_seed {DECAY}"),
    "seed-data": ("with all 50,000 images", f"experiment=table5_seed {DATA}"),
    "seed-both": ("with momentum and decay", f"experiment=table5_seed {MOMENTUM} {DECAY}"),
    "seed-all": ("with all three, which is ResNet-18 above", f"experiment=table5_seed {MOMENTUM} {DECAY} {DATA}"),
    "seed-all-torch": ("… and torch's start", f"experiment=table5_seed {MOMENTUM} {DECAY} {DATA} {TORCH}"),
}
FAST = {
    "fast-resnet18": ("ResNet-18", "experiment=cifar10_fast block=residual model_name.layers=[2,2,2,2]"),
    "fast-table5": ("ProdPoly", "experiment=cifar10_fast"),
}
TABLES = {
    "Networks, as their authors train them": NETWORKS,
    "ResNet-18, from what seed 002 did to what the authors do": SEED,
    "Fast": FAST,
}
SHOWN = {"last epoch, %": "test_acc", "best epoch, %": "test_best_acc", "train, %": "train_acc"}
ROWS = [row for rows in TABLES.values() for row in rows]

if __name__ == "__main__":
    Comparison("table5", TABLES, dict.fromkeys(ROWS, 3), SHOWN).main(sys.argv[1:])

"""Two machines on the loopback address: each a torchrun with one process on the CPU."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Nodes:
    """Two machines at one run, from when it is made until `wait`."""

    def __init__(self, words: Sequence[str], program: Sequence[str] = ("-m", "high_order_nets")):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        place = ["--nnodes=2", "--nproc_per_node=1", "--master_addr=127.0.0.1", f"--master_port={port}"]
        torchrun = [sys.executable, "-m", "torch.distributed.run", *place]
        surroundings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self.processes = [
            subprocess.Popen(
                [*torchrun, f"--node_rank={rank}", *program, "train", *words],
                env=surroundings,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank in range(2)
        ]

    def wait(self) -> list[str]:
        """Return what each has written when both have ended."""
        return [process.communicate(timeout=240)[0] for process in self.processes]

    @property
    def statuses(self) -> list[int | None]:
        """The exit statuses of both."""
        return [process.returncode for process in self.processes]

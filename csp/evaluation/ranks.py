"""Which of several processes this one is, by what a launcher put into its environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# torchrun and accelerate; Open MPI; MPICH and Intel's.
_NAMES = (("WORLD_SIZE", "RANK", "LOCAL_RANK"), ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"),
          ("PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID"))


@dataclass(frozen=True)
class Rank:
    """Process number ``index`` of ``count``, the ``local``-th on its machine."""

    index: int = 0
    count: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        return self.index == 0

    @property
    def device(self) -> str | None:
        """The device that is this process's own; None where it has no company."""
        import torch

        if self.count == 1:
            return None
        return f"cuda:{self.local % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"


def rank(environment: Mapping[str, str] = os.environ) -> Rank:
    """Who this process is. Raises ValueError for an environment that tells only half of it."""
    for size, index, local in _NAMES:
        if int(environment.get(size, "1")) > 1:
            if index not in environment or "MASTER_ADDR" not in environment or "MASTER_PORT" not in environment:
                raise ValueError(
                    f"{size} is {environment[size]}, but {index}, MASTER_ADDR and MASTER_PORT are not all there: start with "
                    "torchrun or accelerate launch, or use --jobs on one machine"
                )
            number = int(environment[index])
            return Rank(number, int(environment[size]), int(environment.get(local, number)))
    return Rank()


def alone_of(environment: Mapping[str, str] = os.environ) -> int:
    """How many processes a launcher was asked for where it started only this one; 1 where that is what was asked.

    ``accelerate launch --cpu --num_processes 2`` does so without MPI: it names an address to meet at and starts one
    process that is told nothing of a second. Raises ValueError where the number cannot be found out.
    """
    started = any(name in environment for names in _NAMES for name in names[:2])
    if started or "ACCELERATE_MIXED_PRECISION" not in environment or "MASTER_PORT" not in environment:
        return 1
    asked = re.search(r"--num[_-]processes[\0=](\d+)", _command_line(os.getppid()))
    if asked is None:
        raise ValueError(
            "accelerate launch was asked for several processes and started one: without a GPU it needs MPI for more. "
            "Use torchrun --nproc-per-node N -m csp.evaluate, or --jobs N"
        )
    return int(asked[1])


def _command_line(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

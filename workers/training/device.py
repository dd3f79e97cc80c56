"""Where a run computes."""

from __future__ import annotations

import torch

from workers.training.errors import BadInput


def choose(wanted: str, *, threads: int) -> torch.device:
    """`wanted` is auto, cpu or cuda; `threads` above 0 limits torch in this process."""
    if threads > 0:
        torch.set_num_threads(threads)
    if wanted == "cuda" and not torch.cuda.is_available():
        raise BadInput("--device cuda: this machine has no GPU that torch can use.")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")

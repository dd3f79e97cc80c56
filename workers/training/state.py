"""AdamW and all that a checkpoint must hold beside the weights, as safetensors: nothing of it is pickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
import torch

FILE = "optimizer.safetensors"


def adamw(model: Any, *, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """Fused AdamW with decay on matrices only: decayed biases and norms would pull towards nothing useful."""
    trained = [value for value in model.parameters() if value.requires_grad]
    groups = [
        {"params": [value for value in trained if value.ndim >= 2], "weight_decay": weight_decay},
        {"params": [value for value in trained if value.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def write_state(folder: Path, optimizer: torch.optim.Optimizer) -> None:
    """The optimiser's moments and the state of torch's random generators."""
    tensors = {
        f"{number}.{name}": value.contiguous()
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
    tensors["generator.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["generator.cuda"] = torch.cuda.get_rng_state()
    safetensors.torch.save_file(tensors, folder / FILE)


def read_state(folder: Path, optimizer: torch.optim.Optimizer) -> None:
    """Put both back. Learning rates are not part of it: they follow from the step."""
    tensors = safetensors.torch.load_file(folder / FILE)
    torch.set_rng_state(tensors.pop("generator.cpu"))
    cuda = tensors.pop("generator.cuda", None)
    if cuda is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(cuda)
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

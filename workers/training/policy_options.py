"""What every training of a language model has beside the common options, and the policies that they describe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from workers.training import causal
from workers.training.common_options import TrainingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptions(TrainingOptions):
    model: str
    """A folder with a causal transformers model, a name on the hub, or scratch. Only safetensors, no remote code."""
    layout: Literal["auto", "padded", "shared", "packed"] = "auto"
    """How sequences share rows: not, those of one prompt, or several prompts; auto estimates what is quickest."""
    gradient_checkpointing: bool = False
    """Compute each layer again for the gradient instead of keeping it: less memory, about a third more time."""


def first_policy(options: PolicyOptions, texts: Iterable[str], device: torch.device) -> causal.Policy:
    """What a run begins with: the same for the same options and, where it is made from scratch, the same texts."""
    torch.manual_seed(options.seed)
    policy = causal.load(
        options.model, texts=texts, max_length=options.max_length, dropout=options.dropout, lora=options.lora
    )
    return _placed(policy, options, device)


def kept_policy(options: PolicyOptions, folder: Path, base: str, device: torch.device) -> causal.Policy:
    """What a checkpoint of the run holds."""
    policy = causal.resume(
        folder,
        name=options.model,
        base=base,
        max_length=options.max_length,
        dropout=options.dropout,
        is_adapter=options.lora is not None,
    )
    return _placed(policy, options, device)


def _placed(policy: causal.Policy, options: PolicyOptions, device: torch.device) -> causal.Policy:
    """On the device, in the layout that was asked for if the model can read it."""
    if policy.layout is None and options.layout != "auto":
        policy.layout = options.layout
    policy.model.to(device)
    return policy

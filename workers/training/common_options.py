"""The options that every training has; those of language models and each algorithm's Config add and change."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from workers.training.adapters import Lora
from workers.training.errors import BadInput
from workers.training.schedules import Shape, learning_rate

# What may differ between a run and its continuation, because the weights do not depend on it.
FREE = {"data", "eval_data", "out", "lineage", "log_every", "checkpoint_every", "threads", "tensorboard"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    data: Path
    """Training rows as JSON lines."""
    eval_data: Path
    """Held-out rows in the same form; they should share no prompt cluster with the training rows."""
    model: str
    """A folder with a transformers model, a name on the hub, or scratch. Only safetensors, no remote code."""
    out: Path
    """The folder for checkpoints and the result. An interrupted run goes on from what it finds here."""
    lineage: Path | None = None
    """A JSON object for the model card: snapshot hash, guideline versions, annotators, agreement, licence."""
    criterion: str = ""
    """Use only the pairs of this criterion; needed where the data speaks of several."""
    lora_rank: int = 0
    """The rank of a LoRA adapter; 0 trains the whole model."""
    lora_alpha: float = 32.0
    """The adapter counts alpha / rank times."""
    lora_dropout: float = 0.0
    """Dropout before the adapter."""
    lora_targets: str = "all-linear"
    """The layers that get an adapter, by names with commas between; all-linear are all but the head."""
    epochs: int = 1
    """How often each row is seen."""
    batch_size: int = 16
    """Rows in one step of the optimiser, over all processes."""
    accumulation: int = 1
    """Parts in which a batch is computed, one after the other; saves memory, changes nothing else."""
    learning_rate: float = 2e-5
    """The highest learning rate, reached after the warm-up; an adapter bears about ten times more."""
    schedule: Shape = "linear"
    """How the learning rate falls after the warm-up: on a line to 0, on half a cosine to 0, or not at all."""
    warmup: float = 0.1
    """The share of all steps in which the learning rate rises."""
    weight_decay: float = 0.0
    """Decoupled weight decay of AdamW, on matrices only."""
    max_grad_norm: float = 1.0
    """Gradients longer than this are scaled down to it."""
    dropout: float = 0.0
    """Dropout in every layer that has one."""
    max_length: int = 1024
    """Tokens of prompt and completion together. The prompt's beginning is cut first, then the completion's end."""
    evaluations_per_epoch: int = 4
    """How often the held-out loss is measured, and the best model kept, in each epoch."""
    patience: int = 0
    """End after so many measurements in a row without a lower held-out loss; 0 goes on to the last epoch."""
    checkpoint_every: int = 100
    """Steps between checkpoints; there is one at each evaluation too."""
    log_every: int = 10
    """Steps between reported losses."""
    tensorboard: Path | None = None
    """A folder for TensorBoard's event files; needs the extra of that name."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 computes the network in 16-bit brain floats; weights and log-probabilities stay in 32 bits."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    threads: int = 0
    """Processor threads for torch; 0 leaves it to torch."""
    seed: int = 0
    """Decides first weights, the order of the rows, and dropout."""

    @property
    def lora(self) -> Lora | None:
        if not self.lora_rank:
            return None
        return Lora(rank=self.lora_rank, alpha=self.lora_alpha, dropout=self.lora_dropout, targets=self.lora_targets)

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def rate(self, step: int, *, steps: int) -> float:
        """The learning rate of a step."""
        return learning_rate(step, steps=steps, highest=self.learning_rate, warmup=self.warmup, shape=self.schedule)

    def identity(self, **data: str | None) -> dict[str, Any]:
        """What the weights depend on: the options, and the hashes of the data wherever it lies."""
        values = {name: value for name, value in dataclasses.asdict(self).items() if name not in FREE}
        return {**values, **data}

    def check(self) -> None:
        """`BadInput` for values that cannot be."""
        whole = ("epochs", "batch_size", "accumulation", "evaluations_per_epoch", "checkpoint_every", "log_every")
        for name in whole:
            if getattr(self, name) < 1:
                raise BadInput(f"--{name.replace('_', '-')} must be 1 or more.")
        if not (self.learning_rate > 0 and self.max_grad_norm > 0 and self.weight_decay >= 0):
            raise BadInput("--learning-rate and --max-grad-norm must be above 0, --weight-decay not below.")
        if not (0 <= self.warmup <= 1 and 0 <= self.dropout < 1 and 0 <= self.lora_dropout < 1):
            raise BadInput("--warmup must be from 0 to 1, --dropout and --lora-dropout from 0 to less than 1.")
        if self.max_length < 16:
            raise BadInput("--max-length must be 16 or more.")
        if self.lora_rank < 0 or self.patience < 0:
            raise BadInput("--lora-rank and --patience must be 0 or more.")
        if self.lora_rank and not self.lora_alpha > 0:
            raise BadInput("--lora-alpha must be above 0: with 0 the adapter never acts, and nothing is learnt.")
        if self.lora_rank and self.model == "scratch":
            raise BadInput("An adapter on a model from scratch would train next to nothing: give --lora-rank 0.")

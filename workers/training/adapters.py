"""LoRA adapters (Hu et al. 2021) on models of transformers: put on, read, saved apart, merged, by way of peft."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import peft

from workers.training.errors import BadInput

FOLDER = "adapter"
"""Where the adapter lies in a result, beside the model in which it is merged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """An adapter of this rank on these linear layers (names, or all-linear), scaled by alpha / rank."""

    rank: int
    alpha: float
    dropout: float
    targets: str


def put_on(model: Any, lora: Lora, *, task: Literal["CAUSAL_LM", "SEQ_CLS"]) -> Any:
    """The model with a new adapter, drawn from torch's generator; a head that gives scores is trained in full.

    `BadInput` where the named layers are not there.
    """
    targets = [each.strip() for each in lora.targets.split(",")]
    config = peft.LoraConfig(
        task_type=task,
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # any number does
        lora_dropout=lora.dropout,
        target_modules=targets[0] if targets == ["all-linear"] else targets,
    )
    try:
        with _quiet_peft():
            return peft.get_peft_model(model, config)
    except ValueError as error:
        raise BadInput(f"--lora-targets {lora.targets} names no layer of this model: {error}") from error


def read(model: Any, folder: Path) -> Any:
    """The model with the adapter that `save` wrote."""
    with _quiet_peft():
        return peft.PeftModel.from_pretrained(model, folder, is_trainable=True)


def is_on(model: Any) -> bool:
    return isinstance(model, peft.PeftModel)


def without(model: Any) -> Any:
    """The model of transformers, with the adapter's layers in it where there is one."""
    return model.get_base_model() if is_on(model) else model


def save(model: Any, folder: Path) -> None:
    """For a checkpoint: the whole model, or the adapter alone."""
    if is_on(model):
        model.save_pretrained(folder, save_embedding_layers=False)
    else:
        model.save_pretrained(folder)


def save_apart_and_merge(model: Any, folder: Path) -> Any:
    """For a result: an adapter is saved in a folder of its own, and the model with it merged is given; ends `model`."""
    if not is_on(model):
        return model
    save(model, folder / FOLDER)
    return model.merge_and_unload()


@contextlib.contextmanager
def _quiet_peft() -> Iterator[None]:
    """It warns of what it then sets right itself, and of a name of transformers that it uses."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
        yield

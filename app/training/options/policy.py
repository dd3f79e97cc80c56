"""Options of the algorithms that train a language model: workers/training/policy_options.py, and what each adds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from app.training.options.common import (
    MINILM,
    SCRATCH,
    BatchSize,
    LoraAlpha,
    LoraDropout,
    LoraRank,
    LoraTargets,
    ModelName,
    Rate,
    TrainingOptions,
)
from app.web.i18n import N_


def model_of_run(number: int) -> str:
    """What a model that an earlier run made is called, in its options and card and on the worker's disk."""
    return f"run-{number}"


class PolicyOptions(TrainingOptions):
    """`base_run` is no option of a trainer: the worker puts that run's files into a folder of the name in `model`."""

    base_run: int | None = Field(
        None,
        ge=1,
        lt=2**31,
        title=N_("Earlier run"),
        description=N_("Number of a finished SFT or DPO run of this project, whose model is trained further."),
    )
    model: ModelName = Field(
        SCRATCH,
        min_length=1,
        max_length=300,
        validate_default=True,
        title=N_("Model"),
        description=N_("scratch (a tiny model made from the data), a folder, or a name on the hub; not with a run."),
    )
    batch_size: BatchSize = Field(16, title=N_("Batch size"), description=N_("Rows in one step of the optimiser."))
    lora_rank: LoraRank = 0
    lora_alpha: LoraAlpha = 32.0
    lora_dropout: LoraDropout = 0.0
    lora_targets: LoraTargets = "all-linear"
    layout: Literal["auto", "padded", "shared", "packed"] = Field(
        "auto",
        title=N_("Layout"),
        description=N_("How texts share rows while they are computed. Changes the speed, not what is learnt."),
    )
    gradient_checkpointing: bool = Field(
        False,
        title=N_("Compute layers twice"),
        description=N_("Gradient checkpointing: less memory, about a third more time."),
    )

    @field_validator("model")
    @classmethod
    def _must_write(cls, name: str, info: ValidationInfo) -> str:
        base_run = info.data.get("base_run")
        if base_run is not None:
            if name not in (SCRATCH, model_of_run(base_run)):
                raise ValueError("Give a model or an earlier run, not both.")
            return model_of_run(base_run)
        if name == MINILM:
            raise ValueError("minilm scores texts and cannot write any. Choose another model.")
        return name


class SftOptions(PolicyOptions):
    """Supervised fine-tuning on the chosen answers."""


class DpoOptions(PolicyOptions):
    """Direct preference optimisation on pairs."""

    loss: Literal["sigmoid", "ipo", "ipo_normalised", "robust", "hinge"] = Field(
        "sigmoid", title=N_("Loss"), description=N_("How far chosen should get ahead of rejected.")
    )
    beta: float = Field(
        0.1,
        gt=0,
        le=1000,
        allow_inf_nan=False,
        title=N_("Beta"),
        description=N_("How strongly the model is held to what it was before."),
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        allow_inf_nan=False,
        title=N_("Label smoothing"),
        description=N_("The share of labels believed to be flipped."),
    )
    labels: Literal["soft", "hard"] = Field(
        "soft", title=N_("Labels"), description=N_("What the votes of a pair become in the loss.")
    )
    batch_size: BatchSize = Field(16, title=N_("Batch size"), description=N_("Pairs in one step of the optimiser."))
    learning_rate: Rate = Field(
        1e-6,
        title=N_("Learning rate"),
        description=N_("The highest, reached after the warm-up. An adapter bears about ten times more."),
    )

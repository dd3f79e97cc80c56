"""Options that every algorithm has, under one name with one meaning; each algorithm's own file adds and changes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from app.web.forms import StorableText, storable
from app.web.i18n import N_

MINILM, SCRATCH = "minilm", "scratch"


def _model_name(name: str) -> str:
    name = name.strip()
    if name.startswith("-"):
        raise ValueError("A model’s name or folder does not begin with a dash.")
    if not name.isprintable():
        raise ValueError("A model’s name or folder stands on one line, in letters and signs that can be seen.")
    return name


ModelName = Annotated[StorableText, AfterValidator(_model_name)]
Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Dropout = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Decay = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Epochs = Annotated[int, Field(ge=1, le=100)]
BatchSize = Annotated[int, Field(ge=1, le=4096)]
Length = Annotated[int, Field(ge=16, le=131_072)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def _must_have_a_base(rank: int, info: ValidationInfo) -> int:
    """`model` must be a field before it, so that each algorithm's options name these four themselves."""
    if rank and info.data.get("model") == SCRATCH:
        raise ValueError("An adapter on a model from scratch would train next to nothing. Give 0 here.")
    return rank


LoraRank = Annotated[
    int,
    Field(
        ge=0,
        le=4096,
        title=N_("LoRA rank"),
        description=N_("0 trains the whole model; above, a small adapter of this rank, which saves memory."),
    ),
    AfterValidator(_must_have_a_base),
]
LoraAlpha = Annotated[Positive, Field(title=N_("LoRA alpha"), description=N_("The adapter counts alpha / rank times."))]
LoraDropout = Annotated[Dropout, Field(title=N_("LoRA dropout"), description=N_("Dropout before the adapter."))]
LoraTargets = Annotated[
    str,
    Field(
        min_length=1,
        max_length=500,
        title=N_("LoRA layers"),
        description=N_("Names of layers with commas between; all-linear means all but the head."),
    ),
    AfterValidator(storable),
]


class TrainingOptions(BaseModel):
    """What the trainers' Configs have in common; the defaults are those of most of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    criterion: StorableText = Field(
        "",
        max_length=200,
        title=N_("Criterion"),
        description=N_("Use only the rows of this criterion; needed where the data set speaks of several."),
    )
    epochs: Epochs = Field(1, title=N_("Epochs"), description=N_("How often each row is seen."))
    batch_size: BatchSize = Field(16, title=N_("Batch size"), description=N_("Pairs in one step of the optimiser."))
    accumulation: int = Field(
        1,
        ge=1,
        le=1024,
        title=N_("Accumulation"),
        description=N_("Parts in which a batch is computed, one after the other. Saves memory, changes nothing else."),
    )
    learning_rate: Rate = Field(
        2e-5,
        title=N_("Learning rate"),
        description=N_("The highest, reached after the warm-up. An adapter bears about ten times more."),
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", title=N_("Schedule"), description=N_("How the learning rate falls after the warm-up.")
    )
    warmup: Share = Field(
        0.1,
        title=N_("Warm-up"),
        description=N_("The share of all steps in which the learning rate rises."),
    )
    weight_decay: Decay = Field(
        0.0,
        title=N_("Weight decay"),
        description=N_("Decoupled weight decay of AdamW, on matrices only."),
    )
    max_grad_norm: Positive = Field(
        1.0,
        title=N_("Largest gradient"),
        description=N_("Gradients longer than this are scaled down to it."),
    )
    dropout: Dropout = Field(
        0.0,
        title=N_("Dropout"),
        description=N_("In every layer that has one. Off by default."),
    )
    max_length: Length = Field(
        1024,
        title=N_("Longest text, in tokens"),
        description=N_("Prompt and response together. The prompt’s beginning is cut first, then the response’s end."),
    )
    evaluations_per_epoch: int = Field(
        4,
        ge=1,
        le=1000,
        title=N_("Evaluations in each epoch"),
        description=N_("How often the held-out loss is measured, and the best model kept."),
    )
    patience: int = Field(
        0,
        ge=0,
        le=1_000_000,
        title=N_("Patience"),
        description=N_("End after so many evaluations in a row without a lower held-out loss; 0 goes on to the end."),
    )
    checkpoint_every: Count = Field(
        100,
        title=N_("Steps between checkpoints"),
        description=N_("There is one at each evaluation too. A run that is interrupted goes on from the last."),
    )
    log_every: Count = Field(10, title=N_("Steps between points"), description=N_("How often the curves get a point."))
    precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        title=N_("Precision"),
        description=N_("bf16 computes the network in 16-bit brain floats. Weights and scores stay in 32 bits."),
    )
    seed: Seed = Field(
        0,
        title=N_("Seed"),
        description=N_("Decides first weights, the order of the rows, and dropout."),
    )

"""Options of workers.algorithms.reward_model, as its Config names them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from app.training.options.common import (
    MINILM,
    Decay,
    Dropout,
    Epochs,
    Length,
    LoraAlpha,
    LoraDropout,
    LoraRank,
    LoraTargets,
    ModelName,
    Rate,
    Seed,
    TrainingOptions,
)
from app.web.i18n import N_


class RewardModelOptions(TrainingOptions):
    """A model that scores responses."""

    model: ModelName = Field(
        MINILM,
        min_length=1,
        max_length=300,
        title=N_("Model"),
        description=N_(
            "minilm (the small English encoder that comes with Accord), scratch, a folder, or a name on the hub."
        ),
    )
    lora_rank: LoraRank = 0
    lora_alpha: LoraAlpha = 32.0
    lora_dropout: LoraDropout = 0.0
    lora_targets: LoraTargets = "all-linear"
    labels: Literal["soft", "hard", "margin"] = Field(
        "soft", title=N_("Labels"), description=N_("What the votes of a pair become in the loss.")
    )
    rankings: Literal["pairs", "plackett_luce"] = Field(
        "pairs",
        title=N_("Rankings"),
        description=N_(
            "What several responses that were ranked together become in the loss. The whole needs soft labels."
        ),
    )
    center: float = Field(
        0.0,
        ge=0,
        le=1e6,
        allow_inf_nan=False,
        title=N_("Centring of scores"),
        description=N_("How strongly both scores of a pair are pulled toward 0 together; 0.01 is a usual value."),
    )
    normalise: Literal["off", "on"] = Field(
        "off",
        title=N_("Normalised scores"),
        description=N_("What happens to the scores at the end. Training a policy wants a known mean and spread."),
    )
    epochs: Epochs = Field(
        1,
        title=N_("Epochs"),
        description=N_("How often each pair is seen. Reward models overfit after one or two."),
    )
    learning_rate: Rate = Field(
        5e-5,
        title=N_("Learning rate"),
        description=N_("The highest, reached after the warm-up. An adapter bears about ten times more."),
    )
    weight_decay: Decay = Field(
        0.01,
        title=N_("Weight decay"),
        description=N_("Decoupled weight decay of AdamW, on matrices only."),
    )
    dropout: Dropout = Field(
        0.0,
        title=N_("Dropout"),
        description=N_("In every layer. Off by default: two noisy scores make a noisier difference."),
    )
    max_length: Length = Field(
        256,
        title=N_("Longest text, in tokens"),
        description=N_("Prompt and response together. The prompt’s beginning is cut first, then the response’s end."),
    )
    seed: Seed = Field(
        0,
        title=N_("Seed"),
        description=N_("Decides the head’s first weights, the order of the pairs, and dropout."),
    )

    @field_validator("rankings")
    @classmethod
    def _must_be_soft(cls, rankings: str, info: ValidationInfo) -> str:
        if rankings == "plackett_luce" and info.data.get("labels", "soft") != "soft":
            raise ValueError("A ranking as a whole goes with soft labels. Choose soft labels, or pairs.")
        return rankings

"""What a training run may be started with, and how runs, their measurements and their queue look as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Discriminator, Field, Tag

from app.training.options import DpoOptions, RewardModelOptions, SftOptions
from app.web.forms import StorableText


def _one_line(text: str) -> str:
    return " ".join(text.split())


class RunHead(BaseModel):
    """What is the same for every algorithm. Everything but the data set has a default."""

    dataset: int = Field(ge=1, lt=2**31, description="Number of a frozen data set version of this project.")
    name: Annotated[StorableText, AfterValidator(_one_line)] = Field(
        "", max_length=120, description="What people call the model; empty: its kind and number."
    )


class StartRewardModel(RunHead):
    """Train a model that scores responses."""

    algorithm: Literal["reward_model"] = "reward_model"
    options: RewardModelOptions = RewardModelOptions()


class StartSft(RunHead):
    """Fine-tune a language model on the chosen answers."""

    algorithm: Literal["sft"]
    options: SftOptions = SftOptions()


class StartDpo(RunHead):
    """Train a language model on pairs, by direct preference optimisation."""

    algorithm: Literal["dpo"]
    options: DpoOptions = DpoOptions()


def _algorithm(given: Any) -> Any:
    return given.get("algorithm", "reward_model") if isinstance(given, dict) else getattr(given, "algorithm", None)


StartRun = Annotated[
    Annotated[StartRewardModel, Tag("reward_model")]
    | Annotated[StartSft, Tag("sft")]
    | Annotated[StartDpo, Tag("dpo")],
    Discriminator(
        _algorithm,
        custom_error_type="unknown_algorithm",
        custom_error_message="this is one of reward_model, sft, dpo",
    ),
]
"""What to train on what: the options are those of the algorithm; without one it is a reward model."""


class Estimate(BaseModel):
    """A share or a mean with its 95% interval (null where there are too few prompt clusters) and the rows below it."""

    value: float
    low: float | None
    high: float | None
    n: int


class RunSummary(BaseModel):
    """One run in a list. `state` is its job's: queued, running, succeeded, failed or cancelled."""

    number: int
    name: str
    algorithm: str
    model: str
    dataset: int = Field(description="Number of the data set version it was trained on.")
    state: str
    phase: str
    progress: float
    accuracy: Estimate | None = Field(
        description="Accuracy on held-out pairs: of the scores, or of a DPO model's implicit rewards."
    )
    held_out_loss: Estimate | None = Field(description="Of SFT: loss for each token of the held-out answers.")
    created_at: datetime
    created_by: str | None = Field(description="Pseudonym of who started it.")
    finished_at: datetime | None


class RunPage(BaseModel):
    items: list[RunSummary]
    next_cursor: str | None


class FileOut(BaseModel):
    sha256: str
    bytes: int


class CheckpointOut(BaseModel):
    """`refused` says why it can no longer be used; `removed_at` when it was let go to save space."""

    step: int
    attempt: int
    bytes: int
    created_at: datetime
    refused: str | None
    removed_at: datetime | None


class LogLine(BaseModel):
    at: datetime
    attempt: int
    level: str
    message: str


class Point(BaseModel):
    """What was measured at a step: training windows have a loss and what the algorithm adds, evaluations eval_loss …"""

    step: int
    attempt: int
    values: dict[str, Any]


class RunDetail(RunSummary):
    """A run in full. `last_step` and `last_evaluation` are its newest measurements, `log` the last lines it said."""

    options: dict[str, Any]
    job: dict[str, Any] | None
    attempt: int
    resumed_from: int | None = Field(description="The step that a later attempt went on from.")
    device: str | None
    last_step: Point | None
    last_evaluation: Point | None
    result: dict[str, Any] | None = Field(
        description="What was measured on the held-out pairs, once it has ended well."
    )
    files: dict[str, FileOut]
    checkpoints: list[CheckpointOut]
    log: list[LogLine]


class Curves(BaseModel):
    """Measurements after a step. Ask again with `after` = `last_step`: at once if `has_more`, never after the end."""

    state: str
    is_active: bool
    steps: list[Point]
    evaluations: list[Point]
    last_step: int
    has_more: bool


class QueueEntry(BaseModel):
    """One place in the queue for devices; what belongs to another project has no name. `position` counts who waits.

    `evaluation` is the id of an evaluation of that run, null for its training.
    """

    run: int | None
    name: str | None
    evaluation: int | None = None
    state: str
    device: str | None
    position: int | None
    since: datetime

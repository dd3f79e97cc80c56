"""What a training run may be started with, and how runs, their measurements and their queue look as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from app.training.options import RewardModelOptions
from app.web.forms import StorableText

Algorithm = Literal["reward_model"]


def _one_line(text: str) -> str:
    return " ".join(text.split())


class StartRun(BaseModel):
    """What to train on what. Everything but the data set has a default."""

    dataset: int = Field(ge=1, lt=2**31, description="Number of a frozen data set version of this project.")
    name: Annotated[StorableText, AfterValidator(_one_line)] = Field(
        "", max_length=120, description="What people call the model; empty: its kind and number."
    )
    algorithm: Algorithm = "reward_model"
    options: RewardModelOptions = RewardModelOptions()


class RunHead(BaseModel):
    """The part of the form that is the same for every algorithm."""

    dataset: int = Field(ge=1, lt=2**31)
    name: Annotated[StorableText, AfterValidator(_one_line)] = Field("", max_length=120)


class Estimate(BaseModel):
    """A share with its 95% interval (null where there are too few prompt clusters) and the pairs it rests on."""

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
    accuracy: Estimate | None = Field(description="Accuracy on held-out pairs.")
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
    """What was measured at a step: training windows have loss and accuracy, evaluations eval_loss, eval_accuracy …"""

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
    """One place in the queue for devices; what belongs to another project has no name. `position` counts who waits."""

    run: int | None
    name: str | None
    state: str
    device: str | None
    position: int | None
    since: datetime

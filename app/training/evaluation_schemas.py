"""What an evaluation may be asked for, by form and by API, and how it looks as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.training.options.common import Seed
from app.web.forms import StorableText
from app.web.i18n import N_

Number = Annotated[int, Field(ge=1, lt=2**31)]


class EvaluationOptions(BaseModel):
    """`against` is for reward models; what follows `criterion` is for language models. Runs are named by number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: Number | None = Field(
        None,
        title=N_("Data set"),
        description=N_("A frozen version, whose held-out rows are measured on; or give a file."),
    )
    against: Number | None = Field(
        None,
        title=N_("Compare with"),
        description=N_("Another reward model, on the same pairs."),
    )
    criterion: StorableText = Field(
        "",
        max_length=200,
        title=N_("Criterion"),
        description=N_("Use only the rows of this criterion; needed where the rows speak of several."),
    )
    reference: Number | None = Field(
        None,
        title=N_("Compare with"),
        description=N_("Another language model; without one, the model that the run began with."),
    )
    judge: Number | None = Field(
        None,
        title=N_("Judge"),
        description=N_("A reward model that says which answer is better; without one there is no win rate."),
    )
    max_prompts: int = Field(
        100,
        ge=0,
        le=100_000,
        title=N_("Prompts"),
        description=N_("Answer at most so many different prompts, drawn by chance; 0 answers every row."),
    )
    max_new_tokens: int = Field(
        128,
        ge=1,
        le=8192,
        title=N_("Longest answer, in tokens"),
        description=N_("One that has not ended by then is cut, and counted."),
    )
    temperature: float = Field(
        1.0,
        ge=0,
        le=100,
        allow_inf_nan=False,
        title=N_("Temperature"),
        description=N_("Only at 1 are the KL figures those of the model; 0 takes the likeliest word each time."),
    )
    samples: int = Field(
        10,
        ge=0,
        le=50,
        title=N_("Samples"),
        description=N_("So many prompts are shown with both answers; chance chooses them, never a score."),
    )
    seed: Seed = Field(
        0,
        title=N_("Seed"),
        description=N_("Decides the answers, the samples shown and the intervals."),
    )


ASKED_APART = ("dataset", "against", "reference", "judge")
"""What the form asks for by lists of its own."""
OF_POLICIES = ("max_prompts", "max_new_tokens", "temperature", "samples")


class UploadedOut(BaseModel):
    filename: str
    sha256: str
    bytes: int


class EvaluationOut(BaseModel):
    """One evaluation. `id` is its job's; `result` is what was measured, as docs/evaluation.md describes it."""

    id: int
    run: int
    state: str
    options: dict[str, Any]
    upload: UploadedOut | None
    created_at: datetime
    finished_at: datetime | None
    error: str | None
    result: dict[str, Any] | None

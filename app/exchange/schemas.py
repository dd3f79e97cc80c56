"""What an import may be told, by form, API and command line; and how its answers look as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.exchange.problems import ImportProblem
from app.exchange.rows import ReadOptions
from app.projects.definitions import AnswerSchema


class ImportOptions(BaseModel):
    """How a file is read, and how many judgements its tasks ask for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    overlap: int | None = Field(
        None, ge=1, le=50, description="Judgements asked for on a task without votes; empty: as the project says."
    )
    extra_overlap: int = Field(
        0, ge=0, le=50, description="Further judgements asked for on a task that brings votes of its own."
    )
    chosen_votes: bool = Field(
        True, description="Whether a row with chosen and rejected carries one vote for the chosen response."
    )
    keep_same: bool = Field(False, description="Whether pairs of two equal responses are kept.")

    def reading(self, schema: AnswerSchema) -> ReadOptions:
        """A vote for `chosen` goes only where the better of two is asked for."""
        return ReadOptions(
            chosen_votes=self.chosen_votes and schema.pairwise is not None,
            keep_same=self.keep_same,
            fewest_responses=0 if schema.demonstration else schema.fewest_responses,
        )


class ReadingForm(BaseModel):
    """How an uploaded file is read, as a form sends it: a box that is not ticked is absent."""

    chosen_votes: bool = False
    keep_same: bool = False


class TargetForm(BaseModel):
    """How many judgements the tasks of an import ask for; an empty field means the default."""

    overlap: int | None = Field(None, ge=1, le=50, description=ImportOptions.model_fields["overlap"].description)
    extra_overlap: int = Field(0, ge=0, le=50, description=ImportOptions.model_fields["extra_overlap"].description)


class ImportBatchOut(BaseModel):
    """One import that added something."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    filename: str
    file_hash: str
    counts: dict[str, Any]
    created_at: datetime
    created_by_id: int | None


class ImportBatchPage(BaseModel):
    items: list[ImportBatchOut]
    next_cursor: str | None


def problem_json(problem: ImportProblem) -> dict[str, Any]:
    """A problem as a job keeps it: place and code for programs, the sentence for people."""
    return {"row": problem.row, "column": problem.column, "code": problem.code, "sentence": problem.sentence}

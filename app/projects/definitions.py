"""What a schema version and a policy version say; kept as jsonb, hashed over canonical JSON."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SKIP_REASONS = ("unclear", "not_my_field", "harmful", "broken", "other")


class AnswerSchema(BaseModel):
    """What may be answered in a project. `strength_steps` is S: 1 a bare choice, 2 five steps, 3 seven steps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allows_tie: bool = Field(True, description="Whether the two may be called equally good.")
    allows_both_bad: bool = Field(True, description="Whether both may be called bad.")
    strength_steps: int = Field(3, ge=1, le=4, description="Steps from a slight to a strong preference.")
    asks_rationale: bool = Field(True, description="Whether a field for reasons is shown.")
    requires_rationale: bool = Field(False, description="Whether the reasons must be given.")

    @model_validator(mode="after")
    def _required_is_asked(self) -> Self:
        if self.requires_rationale and not self.asks_rationale:
            raise ValueError("Reasons cannot be required without a field to give them in.")
        return self


class ProjectKind(StrEnum):
    """What is asked, which says how many people should answer it; `mixed` where nothing is known of it."""

    MIXED = "mixed"
    OBJECTIVE = "objective"
    SUBJECTIVE = "subjective"
    EVALUATION = "evaluation"


USUAL_OVERLAP = {
    ProjectKind.MIXED: (3, 5),
    ProjectKind.OBJECTIVE: (2, 7),
    ProjectKind.SUBJECTIVE: (3, None),
    ProjectKind.EVALUATION: (5, None),
}
"""(overlap, the most that disagreement raises it to) of each kind of project; None keeps it fixed.

Where there is a right answer, further people are asked until it is known. Where opinions differ by right, more votes
of those who disagree would only draw the picture of a quarrel; and an evaluation compares models by equal evidence.
"""


class Policy(BaseModel):
    """How work is handed out and counted in a project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ProjectKind = Field(ProjectKind.MIXED, description="What is asked; it chose the usual overlap.")
    overlap: int = Field(3, ge=1, le=50, description="Counted judgements that each task asks for.")
    max_overlap: int | None = Field(
        None, ge=1, le=50, description="The most that disagreement raises it to, one more at a time; null keeps it."
    )
    lease_minutes: int = Field(30, ge=1, le=1440, description="How long a task stays on a silent annotator's desk.")
    gold_rate: float = Field(0.04, ge=0, le=0.5, description="Share of tasks served that have a known answer.")
    repeat_rate: float = Field(
        0.1, ge=0, le=0.5, description="Share of tasks served that the person has judged before, sides exchanged."
    )
    prefetch: int = Field(0, ge=0, le=4, description="How many further tasks a program may hold ahead for a person.")
    daily_quota: int | None = Field(None, ge=1, le=100_000, description="Judgements a person may give a day.")
    total_quota: int | None = Field(None, ge=1, le=10_000_000, description="Judgements a person may give in all.")
    edit_hours: int = Field(24, ge=0, le=720, description="How long an annotator may edit an own judgement.")

    @model_validator(mode="after")
    def _most_is_more(self) -> Self:
        if self.max_overlap is not None and self.max_overlap < self.overlap:
            raise ValueError("The largest overlap cannot be smaller than the overlap.")
        return self

    @classmethod
    def usual(cls, kind: ProjectKind = ProjectKind.MIXED, **given: Any) -> Self:
        """The policy that a project of this kind begins with."""
        overlap, most = USUAL_OVERLAP[kind]
        return cls.model_validate({"kind": kind, "overlap": overlap, "max_overlap": most, **given})

    @property
    def largest_overlap(self) -> int:
        return self.overlap if self.max_overlap is None else self.max_overlap


def content_hash(definition: dict[str, Any]) -> str:
    """SHA-256 over canonical JSON (sorted keys, no spaces), in hex."""
    canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()

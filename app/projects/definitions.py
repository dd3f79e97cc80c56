"""What a schema version and a policy version say; kept as jsonb, hashed over canonical JSON."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.web.forms import storable

SKIP_REASONS = ("unclear", "not_my_field", "harmful", "broken", "other")
OVERALL = "overall"
EDIT = "edit"
RESERVED_KEYS = (OVERALL, EDIT)
"""Criteria that the preferences of every project may have; no criterion of one's own may take their names."""
MAX_RANKED = 9
MAX_CRITERIA = 8
MAX_TAGS = 20

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), AfterValidator(storable)]
Anchor = Annotated[str, StringConstraints(strip_whitespace=True, max_length=60), AfterValidator(storable)]


class Definition(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Asked(StrEnum):
    """Whether a part of an answer is asked for."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Pairwise(Definition):
    """Which of two responses is better. `strength_steps` is S: 1 a bare choice, 2 five steps, 3 seven steps."""

    kind: Literal["pairwise"] = "pairwise"
    strength_steps: int = Field(3, ge=1, le=4, description="Steps from a slight to a strong preference.")
    allows_tie: bool = Field(True, description="Whether the two may be called equally good.")
    allows_both_bad: bool = Field(True, description="Whether both may be called bad.")


class Ranking(Definition):
    """The order of two to nine responses."""

    kind: Literal["ranking"] = "ranking"
    allows_tie: bool = Field(True, description="Whether several responses may share a place.")


class NoOverall(Definition):
    """No overall choice: criteria, or answers to bare prompts, are all that is asked for."""

    kind: Literal["none"] = "none"


class Likert(Definition):
    """How far each response meets a criterion, from 1 to `points`."""

    kind: Literal["likert"] = "likert"
    key: Key = Field(description="Its name in exports and data sets: small letters, digits and underscores.")
    name: Words = Field(description="What annotators read.")
    points: int = Field(5, ge=2, le=7, description="Steps of the scale.")
    low: Anchor = Field("", description="Words at 1.")
    high: Anchor = Field("", description="Words at the highest step.")
    is_required: bool = Field(True, description="Whether each response must be rated.")


class Comparison(Definition):
    """Which response meets a criterion best, as in “Which is safer?”."""

    kind: Literal["preference"] = "preference"
    key: Key = Field(description="Its name in exports and data sets: small letters, digits and underscores.")
    name: Words = Field(description="The question that annotators read.")
    is_required: bool = Field(True, description="Whether it must be answered.")


class Tags(Definition):
    """Words that may be attached to a whole task, or to each of its responses."""

    names: tuple[Words, ...] = Field((), max_length=MAX_TAGS, description="The tags that can be chosen.")
    per: Literal["task", "response"] = Field("response", description="What a tag is attached to.")


class AnswerSchema(Definition):
    """What may be answered in a project, in one document. A vote carries the version that it was given under."""

    overall: Annotated[Pairwise | Ranking | NoOverall, Field(discriminator="kind")] = Field(
        Pairwise(), description="The overall choice: pairwise, ranking or none."
    )
    criteria: tuple[Annotated[Likert | Comparison, Field(discriminator="kind")], ...] = Field(
        (), max_length=MAX_CRITERIA, description="Single questions beside the overall choice, or instead of it."
    )
    rationale: Asked = Field(Asked.OPTIONAL, description="Whether reasons are asked for.")
    tags: Tags = Field(Tags(), description="Words to be ticked.")
    edit: Asked = Field(Asked.OFF, description="Whether a better response may, or must, be written.")
    demonstration: bool = Field(False, description="Whether prompts without responses are handed out to be answered.")

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        keys = [criterion.key for criterion in self.criteria]
        if set(keys) & set(RESERVED_KEYS):
            raise ValueError(
                "The keys overall and edit have a meaning of their own. Choose another for this criterion."
            )
        if len(set(keys)) < len(keys):
            raise ValueError("Two criteria have the same key. Give each its own.")
        if len(set(self.tags.names)) < len(self.tags.names):
            raise ValueError("A tag is listed twice.")
        if not self.compares and not self.demonstration:
            raise ValueError("Nothing is asked for: choose an overall choice, a criterion, or answers to bare prompts.")
        return self

    @property
    def pairwise(self) -> Pairwise | None:
        return self.overall if isinstance(self.overall, Pairwise) else None

    @property
    def ranking(self) -> Ranking | None:
        return self.overall if isinstance(self.overall, Ranking) else None

    @property
    def compares(self) -> bool:
        """Whether responses are judged at all, so that a task may have some."""
        return not isinstance(self.overall, NoOverall) or bool(self.criteria)

    @property
    def fewest_responses(self) -> int:
        """Of a task, a bare prompt aside. One response alone can be rated, and not compared."""
        is_rated = any(isinstance(criterion, Likert) for criterion in self.criteria)
        return 1 if isinstance(self.overall, NoOverall) and is_rated else 2

    def fits(self, n_responses: int) -> bool:
        """Whether a task with so many responses can be judged by this schema."""
        if n_responses == 0:
            return self.demonstration
        most = 2 if self.pairwise else MAX_RANKED
        return self.compares and self.fewest_responses <= n_responses <= most


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


class Policy(Definition):
    """How work is handed out and counted in a project."""

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

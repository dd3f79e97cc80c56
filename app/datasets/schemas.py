"""What a freeze may be told, by form and by API, and how data sets look as JSON."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from app.models import AnnotatorKind, OverlapReason

REASONS = (OverlapReason.BASE, OverlapReason.CALIBRATION, OverlapReason.IMPORTED)
KINDS = (AnnotatorKind.IMPORTED, AnnotatorKind.PERSON, AnnotatorKind.SIMULATED)
NEVER_USED = (OverlapReason.GOLD, OverlapReason.RETEST)
"""Votes on known answers are outside overlap, and a hidden repeat is the same person's vote once more."""
MAX_SLICES = 50
_SLICE = re.compile(r"^(domain|language|criterion)\s*=\s*(.+?)\s*:\s*([0-9.]+)$")


class SliceWeight(BaseModel):
    """What the rows of one slice weigh in the loss, beside 1 for all others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Literal["domain", "language", "criterion"] = Field(description="What the slice is cut by.")
    value: str = Field(min_length=1, max_length=200, description="The domain, language or criterion.")
    weight: float = Field(gt=0, le=100, allow_inf_nan=False, description="What its rows weigh.")


class FreezePolicy(BaseModel):
    """Which votes a data set is made of, and how they become rows. Kept on the version and hashed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    overlap_reasons: list[OverlapReason] = Field(
        list(REASONS), description="Votes are used that were asked for by these reasons."
    )
    annotator_kinds: list[AnnotatorKind] = Field(
        list(KINDS), description="Votes of these kinds of annotators are used."
    )
    guideline_versions: list[int] | None = Field(
        None,
        max_length=200,
        description="Numbers of the guideline versions whose votes are used; 0: votes without guidelines; none: all.",
    )
    archived_tasks: bool = Field(False, description="Whether votes on archived tasks are used.")
    minimum_votes: int = Field(1, ge=1, le=50, description="Votes that a pair needs to become a row.")
    label_rule: Literal["soft", "reliability_weighted"] = Field(
        "soft",
        description="Whether every vote weighs 1 in a label, or more the more reliable its annotator is found to be.",
    )
    agreement: float | None = Field(
        None,
        gt=0.5,
        lt=1,
        description="P for the labels: how often two annotators who take sides take the same one; none: as measured.",
    )
    both_bad: Literal["half", "leave_out"] = Field(
        "half", description="Whether a vote for both bad counts as one half for each side, or not at all."
    )
    ties: Literal["keep", "leave_out"] = Field("keep", description="Whether rows without a better side are kept.")
    slice_weights: list[SliceWeight] = Field(
        [], max_length=MAX_SLICES, description="What rows of a domain, language or criterion weigh; all others weigh 1."
    )
    cluster_by: Literal["prompt", "domain"] = Field(
        "prompt", description="Whether rows that share a prompt or a domain stay on one side of the split."
    )
    cluster_key: str = Field(
        "cluster",
        max_length=200,
        description="A key of the prompt's metadata that names its cluster, where it is there.",
    )
    held_out_share: float = Field(0.2, ge=0.01, le=0.9, description="Share of rows kept away from training.")
    split_seed: int = Field(0, ge=0, lt=2**31, description="Another seed holds out other clusters.")

    @field_validator("overlap_reasons")
    @classmethod
    def _reasons(cls, given: list[OverlapReason]) -> list[OverlapReason]:
        if not given:
            raise ValueError("Choose at least one reason, or no vote is used.")
        if set(given) & set(NEVER_USED):
            raise ValueError(
                "Votes on known answers and hidden repeats are never training data. Leave out gold and retest."
            )
        return sorted(set(given))

    @field_validator("annotator_kinds")
    @classmethod
    def _kinds(cls, given: list[AnnotatorKind]) -> list[AnnotatorKind]:
        if not given:
            raise ValueError("Choose at least one kind of annotators, or no vote is used.")
        return sorted(set(given))

    @field_validator("guideline_versions")
    @classmethod
    def _guidelines(cls, given: list[int] | None) -> list[int] | None:
        if given is None:
            return None
        if not given:
            raise ValueError("Name at least one guideline version, or leave this empty for all.")
        if min(given) < 0 or max(given) >= 2**31:
            raise ValueError("Guideline versions are numbers from 1 upwards, and 0 for votes without guidelines.")
        return sorted(set(given))

    @field_validator("slice_weights")
    @classmethod
    def _slices(cls, given: list[SliceWeight]) -> list[SliceWeight]:
        named = {(each.by, each.value) for each in given}
        if len(named) < len(given):
            raise ValueError("A slice is named twice. Give each one weight.")
        return sorted(given, key=lambda each: (each.by, each.value))


def _lines_or_nothing(value: object) -> object:
    return [line.strip() for line in value.splitlines() if line.strip()] if isinstance(value, str) else value


def _nothing_if_empty(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


class FreezeForm(BaseModel):
    """The policy as the page's form sends it: shares in per cent, lists as text, a box that is not ticked is absent."""

    minimum_votes: int = Field(1, ge=1, le=50)
    ties: Literal["keep", "leave_out"] = "keep"
    label_rule: Literal["soft", "reliability_weighted"] = "soft"
    both_bad: Literal["half", "leave_out"] = "half"
    held_out_percent: float = Field(20, ge=1, le=90, allow_inf_nan=False)
    split_seed: int = Field(0, ge=0, lt=2**31)
    guideline_versions: Annotated[str | None, BeforeValidator(_nothing_if_empty)] = Field(None, max_length=1000)
    agreement_percent: Annotated[float | None, BeforeValidator(_nothing_if_empty)] = Field(None, gt=50, lt=100)
    cluster_by: Literal["prompt", "domain"] = "prompt"
    cluster_key: str = Field("cluster", max_length=200)
    slice_weights: Annotated[list[str], BeforeValidator(_lines_or_nothing)] = Field([], max_length=MAX_SLICES)
    archived_tasks: bool = False
    reason_base: bool = False
    reason_imported: bool = False
    reason_calibration: bool = False
    reason_escalation: bool = False
    reason_adjudication: bool = False
    kind_person: bool = False
    kind_imported: bool = False
    kind_simulated: bool = False
    kind_model: bool = False

    @field_validator("guideline_versions")
    @classmethod
    def _numbers(cls, given: str | None) -> str | None:
        if given is not None and not all(part.strip().isdecimal() for part in given.split(",")):
            raise ValueError("Please give version numbers with commas between them, such as 1, 2.")
        return given

    @field_validator("slice_weights")
    @classmethod
    def _weights(cls, given: list[str]) -> list[str]:
        named = [_SLICE.match(line) for line in given]
        if not all(named):
            raise ValueError("Please give one slice a line, such as: domain = code: 0.5")
        if len({(found[1], found[2]) for found in named if found}) < len(given):
            raise ValueError("A slice is named twice. Give each one weight.")
        for found in named:
            _weight_of(found[3] if found else "")
        return given

    def chosen(self, prefix: str) -> list[str]:
        """The ticked boxes whose names begin so."""
        return [name.removeprefix(prefix) for name, value in self if name.startswith(prefix) and value is True]

    def policy(self) -> FreezePolicy:
        """Raises ValidationError for what only the whole policy can tell."""
        numbers = self.guideline_versions
        slices = [_SLICE.match(line) for line in self.slice_weights]
        return FreezePolicy(
            overlap_reasons=[OverlapReason(name) for name in self.chosen("reason_")],
            annotator_kinds=[AnnotatorKind(name) for name in self.chosen("kind_")],
            guideline_versions=None if numbers is None else [int(part) for part in numbers.split(",")],
            archived_tasks=self.archived_tasks,
            minimum_votes=self.minimum_votes,
            agreement=None if self.agreement_percent is None else round(self.agreement_percent / 100, 6),
            label_rule=self.label_rule,
            both_bad=self.both_bad,
            ties=self.ties,
            slice_weights=[
                SliceWeight.model_validate({"by": found[1], "value": found[2], "weight": _weight_of(found[3])})
                for found in slices
                if found
            ],
            cluster_by=self.cluster_by,
            cluster_key=self.cluster_key.strip(),
            held_out_share=round(self.held_out_percent / 100, 6),
            split_seed=self.split_seed,
        )


FIELDS_OF_THE_FORM = {
    "agreement": "agreement_percent",
    "held_out_share": "held_out_percent",
}
"""Where the form shows what is wrong with a part of the policy that has another name there."""


def _weight_of(text: str) -> float:
    try:
        return SliceWeight(by="domain", value="-", weight=float(text)).weight
    except (ValueError, ValidationError):
        raise ValueError("A slice weighs more than 0 and at most 100.") from None


class DatasetOut(BaseModel):
    """A line of the list. `state` is frozen, or the state of the job that is to freeze it."""

    number: int
    state: str
    job_id: int | None
    rows: int | None
    votes: int | None
    agreement: dict[str, Any] | None
    content_hash: str | None
    policy_hash: str
    created_at: datetime
    created_by: str | None
    frozen_at: datetime | None
    error: str | None


class DatasetDetail(DatasetOut):
    """`files` maps a name to sha256, bytes and rows; each is downloaded under its name."""

    policy: dict[str, Any]
    manifest: dict[str, Any] | None
    files: dict[str, Any]
    last_check: dict[str, Any] | None


class DatasetPage(BaseModel):
    items: list[DatasetOut]
    next_cursor: str | None

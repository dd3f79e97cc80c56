"""What the API answers, as dataclasses. Fields that a newer server adds are left out, so an older client goes on."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeVar
from uuid import UUID

Model = TypeVar("Model", bound="Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Made from the JSON of an answer: known fields only, times and nested objects as their types say."""

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        hints = typing.get_type_hints(cls)
        known = {field.name: field for field in dataclasses.fields(cls)}
        return cls(**{name: _typed(hints[name], values[name]) for name in known if name in values})


def _typed(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    options = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _typed(next(option for option in options if option is not types.NoneType), value)
    if typing.get_origin(hint) is list:
        return [_typed(options[0], each) for each in value]
    if hint is datetime:
        return datetime.fromisoformat(value)
    if hint is UUID:
        return UUID(value)
    if isinstance(hint, type) and issubclass(hint, Answer):
        return hint.of(value)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRole(Answer):
    project_id: int
    project_name: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Me(Answer):
    """Whom the token speaks for."""

    id: int
    name: str
    email: str
    pseudonym: str
    is_instance_admin: bool
    has_consented: bool
    projects: list[ProjectRole]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(Answer):
    id: int
    name: str
    question: str
    status: str
    language: str
    timezone: str
    is_sample: bool
    created_at: datetime
    archived_at: datetime | None = None
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes(Answer):
    """How the counted votes of a task fall, by its first and second response."""

    first: int
    second: int
    tie: int
    both_bad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Answer):
    """A line of the task list."""

    id: int
    external_id: str | None
    excerpt: str
    kind: str
    status: str
    priority: int
    n_counted: int
    n_target: int
    n_leased: int
    domain: str | None
    language: str | None
    tags: list[str]
    votes: Votes
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage(Answer):
    """`total` stops at 10,000; `is_capped` says that there are more."""

    items: list[Task]
    total: int
    is_capped: bool
    next_cursor: str | None
    previous_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Answer):
    id: int
    position: int
    text: str
    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote(Answer):
    """A judgement as reviewers see it; `superseded_by` names the revision that took its place."""

    id: int
    annotator: str
    annotator_kind: str
    choice: str
    strength: int
    rationale: str
    is_flagged: bool
    shown_left: str | None
    standing: str
    overlap_reason: str
    guideline_version: int | None
    submitted_at: datetime
    active_ms: int | None
    revision: int
    superseded_by: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDetail(Task):
    prompt: dict[str, Any]
    meta: dict[str, Any]
    done_at: datetime | None
    responses: list[Response]
    judgements: list[Vote]
    leases: list[dict[str, Any]]
    gold: dict[str, Any] | None
    events: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Answer):
    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving(Answer):
    """A task on one's desk. Its responses stand in the order of the screen: judgements call the first one A.

    Without responses the prompt is to be answered. `answer_schema` says what may be answered.
    """

    public_id: UUID
    prompt: str | None
    messages: list[Message]
    documents: list[dict[str, Any]]
    responses: list[str]
    question: str
    schema_number: int
    answer_schema: dict[str, Any]
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk(Answer):
    """The task on one's desk, or why there is none."""

    assignment: Serving | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement(Answer):
    """A judgement that the server took. Sent twice with one key, it has the same id."""

    id: int
    public_id: UUID
    revision: int
    answer: int | str | None
    ranking: list[list[str]] | None
    ratings: dict[str, Any]
    comparisons: dict[str, Any]
    tags: list[str]
    response_tags: dict[str, Any]
    edit: dict[str, Any] | None
    demonstration: str | None
    rationale: str
    is_flagged: bool
    is_late: bool
    submitted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(Answer):
    public_id: UUID
    state: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatorPair(Answer):
    """Cohen's kappa of two annotators, by pseudonym; `reason` says why the value or the interval is missing."""

    first: str
    second: str
    n_items: int
    kappa: float | None
    low: float | None
    high: float | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionAgreement(Answer):
    """Agreement of the votes under one guideline version; `version` is None for votes without any.

    `intervals` has low, high, n and reason of each coefficient by its name.
    """

    version: int | None
    n_items: int
    n_votes: int
    raw: float | None
    alpha_sym: float | None
    alpha_nominal: float | None
    alpha_ordinal: float | None
    ac1: float | None
    fleiss: float | None
    intervals: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement(Answer):
    """How far annotators agree; the coefficients and `intervals` as in VersionAgreement."""

    n_items: int
    n_votes: int
    n_overlapping: int
    labels: dict[str, int]
    raw: float | None
    alpha_sym: float | None
    alpha_nominal: float | None
    alpha_ordinal: float | None
    ac1: float | None
    fleiss: float | None
    intervals: dict[str, Any]
    cohen: list[AnnotatorPair]
    versions: list[VersionAgreement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Answer):
    """Background work; `state` is queued, running, succeeded, failed or cancelled."""

    id: int
    kind: str
    state: str
    phase: str | None
    progress: float | None
    message: str | None
    result: dict[str, Any] | None
    error: str | None

    @property
    def has_ended(self) -> bool:
        return self.state in ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate(Answer):
    """A share or a mean with its 95% interval (None where there are too few prompts) and the rows below it."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun(Answer):
    """A training run in a list; `state` is its job's, `accuracy` that on held-out pairs once it has ended well.

    SFT has no pairs: its `held_out_loss` is the loss for each token of the held-out answers.
    """

    number: int
    name: str
    algorithm: str
    model: str
    dataset: int
    state: str
    phase: str
    progress: float
    accuracy: Estimate | None
    held_out_loss: Estimate | None
    created_at: datetime
    created_by: str | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRunDetail(TrainingRun):
    """A training run in full. `result` holds what was measured, `files` {name: {"sha256", "bytes"}} of the model."""

    options: dict[str, Any]
    job: Job | None
    attempt: int
    resumed_from: int | None
    device: str | None
    result: dict[str, Any] | None
    files: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point(Answer):
    """What was measured at a step."""

    step: int
    attempt: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves(Answer):
    """Measurements after a step: training windows, and evaluations on held-out pairs."""

    state: str
    is_active: bool
    steps: list[Point]
    evaluations: list[Point]
    last_step: int
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(Answer):
    """A data set version. `state` is frozen, or that of the job which is to freeze it."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDetail(Dataset):
    """`files` maps a name to its sha256, bytes and rows."""

    policy: dict[str, Any]
    manifest: dict[str, Any] | None
    files: dict[str, Any]
    last_check: dict[str, Any] | None

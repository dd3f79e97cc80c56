"""What the task list and the deeds on tasks accept and answer; pages and API share it."""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.models import Choice, TaskKind, TaskStatus

MAX_SELECTED = 500
MAX_TAGS = 200
MAX_TAG_LENGTH = 64
_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def _clean(value: Any) -> Any:
    """Text as Postgres can take it (no NUL, no lone surrogates), trimmed; nothing typed counts as not given."""
    if not isinstance(value, str):
        return value
    return _UNSTORABLE.sub("", value).strip() or None


def _clean_required(value: Any) -> Any:
    return _UNSTORABLE.sub("", value).strip() if isinstance(value, str) else value


def _as_list(value: Any) -> Any:
    """Tags as a form sends them: one field, separated by commas."""
    return re.split(r"[,\n]", value) if isinstance(value, str) else value


def _normalise_tags(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tag for tag in (_clean_required(tag) for tag in tags) if tag))


Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Count = Annotated[int, Field(ge=0)]
Text200 = Annotated[str, Field(max_length=200)]
Text300 = Annotated[str, Field(max_length=300)]
Text500 = Annotated[str, Field(max_length=500)]
Tag = Annotated[str, BeforeValidator(_clean_required), Field(min_length=1, max_length=MAX_TAG_LENGTH)]
Tags = Annotated[
    list[Annotated[str, Field(max_length=MAX_TAG_LENGTH + 10)]],
    BeforeValidator(_as_list),
    AfterValidator(_normalise_tags),
    Field(max_length=MAX_TAGS),
]
Priority = Annotated[int, Field(ge=-100, le=100, description="-100 (last) to 100 (first).")]
Judgements = Annotated[int, Field(ge=1, le=50, description="How many more judgements to ask for.")]


class StatusFilter(StrEnum):
    """The stored status, and two states of open work: a place is free, somebody has it on the desk."""

    OPEN = "open"
    DONE = "done"
    ARCHIVED = "archived"
    WAITING = "waiting"
    LEASED = "leased"


class Sort(StrEnum):
    """Orders that an index serves; a minus turns one round."""

    OLDEST = "id"
    NEWEST = "-id"
    LOWEST_PRIORITY = "priority"
    HIGHEST_PRIORITY = "-priority"
    LEAST_PROGRESS = "progress"
    MOST_PROGRESS = "-progress"


class TaskFilter(BaseModel):
    """Which tasks; every condition given must hold. Empty fields, as a form sends them, ask for nothing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Annotated[StatusFilter | None, BeforeValidator(_clean)] = None
    kind: Annotated[TaskKind | None, BeforeValidator(_clean)] = None
    q: Annotated[Text300 | None, BeforeValidator(_clean)] = Field(
        None, description='Words of the prompt; "a phrase", -without, or.'
    )
    external_id: Annotated[Text500 | None, BeforeValidator(_clean)] = Field(
        None, description="The task_id of the imported file, in full."
    )
    tag: Annotated[Text200 | None, BeforeValidator(_clean)] = None
    domain: Annotated[Text200 | None, BeforeValidator(_clean)] = None
    language: Annotated[Text200 | None, BeforeValidator(_clean)] = None
    annotator: Annotated[Text200 | None, BeforeValidator(_clean)] = Field(
        None, description="Pseudonym of somebody who judged the task."
    )
    batch: Annotated[Id | None, BeforeValidator(_clean)] = Field(None, description="Id of the import.")
    late: Annotated[bool | None, BeforeValidator(_clean)] = Field(None, description="Has a vote that came late.")
    flagged: Annotated[bool | None, BeforeValidator(_clean)] = Field(None, description="Has a vote with a flag.")

    def given(self) -> dict[str, Any]:
        """The conditions that say something, as plain values."""
        fields = TaskFilter.model_fields
        values = self.model_dump(mode="json", include=set(fields), exclude_none=True)
        return {name: value for name, value in values.items() if value is not False}

    def query(self, **more: Any) -> str:
        """The same conditions as a query string, with `more` parameters behind them."""
        values = {**self.given(), **{name: value for name, value in more.items() if value is not None}}
        return urlencode({name: 1 if value is True else value for name, value in values.items()})


class TaskListQuery(TaskFilter):
    """The task list's address: conditions, order, place."""

    sort: Annotated[Sort, BeforeValidator(lambda value: value or Sort.OLDEST)] = Sort.OLDEST
    cursor: Annotated[Text500 | None, BeforeValidator(_clean)] = None
    size: int = Field(50, ge=1, le=200, description="Rows a page.")


class PriorityForm(BaseModel):
    priority: Priority


class RequeueForm(BaseModel):
    judgements: Judgements = 1


class TagsForm(BaseModel):
    tags: Tags = Field(default_factory=list)


class GoldForm(BaseModel):
    """The known answer of a gold task, by the task's first and second response."""

    choice: Choice
    explanation: Annotated[str, BeforeValidator(_clean_required), Field(max_length=5000)] = ""


class Change(BaseModel):
    """PATCH: what is named is changed, the rest stays."""

    model_config = ConfigDict(extra="forbid")

    priority: Priority | None = None
    tags: Tags | None = None
    status: Literal["archived", "open"] | None = Field(None, description="archived, or open to restore.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.priority is None and self.tags is None and self.status is None:
            raise ValueError("Name at least one of priority, tags and status")
        return self


class BulkDeed(StrEnum):
    PRIORITY = "priority"
    DUE = "due"
    REQUEUE = "requeue"
    ARCHIVE = "archive"
    RESTORE = "restore"
    ADD_TAG = "add_tag"
    REMOVE_TAG = "remove_tag"


class BulkForm(BaseModel):
    """One deed on the selected tasks, or on all that match the filter.

    `expected` is the number of tasks that the confirmation named; when the filter meets another number by then,
    nothing is done.
    """

    deed: BulkDeed
    scope: Literal["selected", "matching"] = "selected"
    ids: Annotated[list[Id], Field(max_length=MAX_SELECTED)] = Field(default_factory=list)
    filter: TaskFilter = Field(default_factory=TaskFilter)
    expected: Annotated[Count | None, BeforeValidator(_clean)] = None
    priority: Annotated[Priority | None, BeforeValidator(_clean)] = None
    judgements: Annotated[Judgements | None, BeforeValidator(_clean)] = None
    tag: Annotated[Tag | None, BeforeValidator(_clean)] = None
    due: Annotated[date | None, BeforeValidator(_clean)] = Field(
        None, description="Last day of the project for the deed due; null takes the deadline away."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.scope == "selected" and not self.ids:
            raise ValueError("Select at least one task")
        needed = {
            BulkDeed.PRIORITY: ("priority", self.priority),
            BulkDeed.REQUEUE: ("judgements", self.judgements),
            BulkDeed.ADD_TAG: ("tag", self.tag),
            BulkDeed.REMOVE_TAG: ("tag", self.tag),
        }
        name, value = needed.get(self.deed, ("", 0))
        if value is None:
            raise ValueError(f"Give a value for {name}")
        return self


class VoteHint(BaseModel):
    """How the counted votes of a task fall: by its first and second response, ties, both bad."""

    first: int = 0
    second: int = 0
    tie: int = 0
    both_bad: int = 0


class TaskRow(BaseModel):
    """One line of the task list."""

    id: int
    external_id: str | None
    excerpt: str
    kind: TaskKind
    status: TaskStatus
    priority: int
    n_counted: int
    n_target: int
    n_leased: int
    domain: str | None
    language: str | None
    tags: list[str]
    votes: VoteHint
    created_at: datetime
    due_at: datetime | None


class TaskPage(BaseModel):
    """One page of the list. `total` stops at 10,000; `is_capped` says that there are more."""

    items: list[TaskRow]
    total: int
    is_capped: bool
    next_cursor: str | None
    previous_cursor: str | None


class ResponseShown(BaseModel):
    id: int
    position: int
    text: str
    model: str | None


class VoteShown(BaseModel):
    """One submitted judgement as it was given; `superseded_by` names the revision that took its place."""

    id: int
    annotator: str
    annotator_kind: str
    choice: Choice | None
    strength: int
    answer: dict[str, Any]
    rationale: str
    is_flagged: bool
    shown_left: Literal["first", "second"] | None
    standing: str
    overlap_reason: str
    guideline_version: int | None
    started_at: datetime | None
    submitted_at: datetime
    active_ms: int | None
    idle_ms: int | None
    revision: int
    superseded_by: int | None


class LeaseShown(BaseModel):
    """A lease of the task: on somebody's desk, or how it ended without a judgement."""

    annotator: str
    annotator_kind: str
    state: str
    overlap_reason: str
    leased_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    skip_reason: str | None
    skip_note: str | None


class GoldShown(BaseModel):
    choice: str
    explanation: str
    created_at: datetime


class EventShown(BaseModel):
    at: datetime
    actor: str | None
    via: str
    action: str
    detail: dict[str, Any]


class SiblingShown(BaseModel):
    """Another task about the same prompt."""

    id: int
    status: TaskStatus


class TaskDetail(TaskRow):
    """A task with everything that happened to it."""

    prompt: dict[str, Any]
    meta: dict[str, Any]
    batch_id: int | None
    done_at: datetime | None
    responses: list[ResponseShown]
    judgements: list[VoteShown]
    leases: list[LeaseShown]
    gold: GoldShown | None
    events: list[EventShown]
    siblings: list[SiblingShown]


class BulkResult(BaseModel):
    """How many tasks the deed was asked for, and how many it changed (the others already were so)."""

    matched: int
    changed: int

"""What the dashboard's JSON routes answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class TaskNumbersOut(BaseModel):
    """`n_waiting` are open tasks with a free place; `n_counted` of `n_wanted` judgements; gold tasks are apart."""

    model_config = ConfigDict(from_attributes=True)

    n_open: int
    n_done: int
    n_waiting: int
    n_archived: int
    n_gold: int
    n_leased: int
    n_counted: int
    n_wanted: int


class AnnotatorNumbersOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    pseudonym: str
    kind: str
    n_votes: int
    n_today: int
    last_at: datetime


class VoteNumbersOut(BaseModel):
    """First judgements of all annotators, late and gold ones included; edits are not counted again."""

    model_config = ConfigDict(from_attributes=True)

    n_votes: int
    n_today: int
    n_annotators: int
    busiest: list[AnnotatorNumbersOut]


class OverviewOut(BaseModel):
    tasks: TaskNumbersOut
    votes: VoteNumbersOut
    overlap: int
    guideline_version: int | None


class AuditEventOut(BaseModel):
    """`actor` is a name for staff, a pseudonym for everybody else, null for the system."""

    id: int
    at: datetime
    actor: str | None
    via: str
    action: str
    sentence: str
    project_id: int | None
    target_type: str
    target_id: str
    detail: dict[str, Any]


class AuditPage(BaseModel):
    items: list[AuditEventOut]
    next_cursor: str | None


class SampleOut(BaseModel):
    """The sample project; `created` is false where it was there already."""

    project_id: int
    created: bool

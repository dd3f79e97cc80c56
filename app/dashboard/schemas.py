"""What the audit page may be asked, and what the dashboard's JSON routes answer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _sensible(day: date) -> date:
    if not 2000 <= day.year <= 2200:
        raise ValueError("Please give a date between 2000 and 2200.")
    return day


Day = Annotated[date, AfterValidator(_sensible)]


class AuditQuery(BaseModel):
    """What the address of the audit page asks for; `action` is one action or group:<name>, days are inclusive."""

    action: str = Field("", max_length=100)
    actor: int | None = Field(None, ge=1, lt=2**63)
    since: Day | None = None
    until: Day | None = None
    cursor: int | None = Field(None, ge=1, lt=2**63)


class AuditParameters(BaseModel):
    """What the API's audit routes may be asked; times are instants (UTC where no zone is given)."""

    action: str = Field("", max_length=100)
    actor: int | None = Field(None, ge=1, lt=2**63, description="User id of who did it.")
    since: datetime | None = Field(None, description="The first instant shown.")
    until: datetime | None = Field(None, description="The first instant no longer shown.")
    cursor: int | None = Field(None, ge=1, lt=2**63, description="next_cursor of the page before.")
    limit: int = Field(50, ge=1, le=200)


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
    actor_id: int | None
    via: str
    action: str
    sentence: str
    project_id: int | None
    target_type: str
    target_id: str
    detail: dict[str, Any]
    request_id: str


class AuditPage(BaseModel):
    items: list[AuditEventOut]
    next_cursor: str | None


class SampleOut(BaseModel):
    """The sample project; `created` is false where it was there already."""

    project_id: int
    created: bool


class PaceOut(BaseModel):
    """Judgements an active hour: today, and the median of `n_days` days before; null: not enough yet."""

    model_config = ConfigDict(from_attributes=True)

    today: float | None
    usual: float | None
    n_days: int


class ShareOut(BaseModel):
    """A share with its 95% interval over `n`."""

    model_config = ConfigDict(from_attributes=True)

    value: float
    low: float
    high: float
    n: int


class OwnWorkOut(BaseModel):
    """`n_waiting` stops counting at 100; `nothing` says why nothing waits; `consistency` is that on hidden repeats."""

    project_id: int
    n_waiting: int
    has_open_lease: bool
    nothing: str | None
    n_today: int
    n_total: int
    active_minutes: int
    idle_minutes: int
    pace: PaceOut
    consistency: ShareOut | None
    n_questions: int


class OwnWorkList(BaseModel):
    items: list[OwnWorkOut]

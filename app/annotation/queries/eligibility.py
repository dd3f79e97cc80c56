"""Who may be given which task: conditions that can be told from one task at a time.

So the walk along the queue ends at the first task that fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.domain.assignment import GROUP, SKILL
from app.models import Annotator, Assignment, Membership, Project, Prompt, Response, Task, TaskResponse

ONCE = sa.text("overlap_reason <> 'retest'")
CLOSED_FOR_GOOD = sa.text("state NOT IN ('expired', 'returned')")


@dataclass(frozen=True, slots=True)
class Asker:
    """What `annotations.queries.Person` says, as SQL: the annotator's id, and three arrays of text."""

    annotator_id: sa.ColumnElement[Any]
    languages: sa.ColumnElement[Any]
    domains: sa.ColumnElement[Any]
    has: sa.ColumnElement[Any]


def member(annotator_id: int) -> Asker:
    """The annotator as the outer statement's Membership knows them; `is_theirs` joins it."""
    nothing = sa.cast(sa.literal("{}"), Membership.skills.type)
    has = sa.func.array_cat(_named(SKILL, Membership.skills), _named(GROUP, Membership.groups))
    return Asker(
        sa.literal(annotator_id, sa.BigInteger),
        sa.func.coalesce(Membership.languages, nothing),
        sa.func.coalesce(Membership.domains, nothing),
        has,
    )


def is_theirs(annotator_id: int) -> sa.ColumnElement[bool]:
    """Whether the Membership is that of the annotator in the outer statement's Project, and has not ended."""
    user_id = sa.select(Annotator.user_id).where(Annotator.id == annotator_id).scalar_subquery()
    return sa.and_(Membership.project_id == Project.id, Membership.user_id == user_id, Membership.ended_at.is_(None))


def _named(prefix: str, names: Any) -> sa.ColumnElement[Any]:
    name = sa.func.unnest(names).column_valued("name")
    return sa.func.array(sa.select(sa.literal(prefix) + name).correlate(Membership).scalar_subquery())


def may_be_given(asker: Asker) -> list[sa.ColumnElement[bool]]:
    """New to the person, in a language and domain of theirs, asking for no skill they lack, not of their writing."""
    language = sa.func.split_part(sa.func.lower(Task.language), "-", 1)
    return [
        _is_new(asker),
        sa.or_(
            Task.language.is_(None), sa.func.cardinality(asker.languages) == 0, language == sa.any_(asker.languages)
        ),
        sa.or_(
            Task.domain.is_(None),
            sa.func.cardinality(asker.domains) == 0,
            sa.func.lower(Task.domain) == sa.any_(asker.domains),
        ),
        ~_lacks(asker),
        ~_wrote_some_of_it(asker),
    ]


def _is_new(asker: Asker) -> sa.ColumnElement[bool]:
    """No assignment of theirs that is open or ended by a deed; one that ran out or was given back may come again."""
    return ~sa.exists().where(
        Assignment.task_id == Task.id, Assignment.annotator_id == asker.annotator_id, ONCE, CLOSED_FOR_GOOD
    )


def _lacks(asker: Asker) -> sa.ColumnElement[bool]:
    """Whether a tag of the task asks for a skill or group that the person has not."""
    tag = sa.func.lower(sa.func.unnest(Task.tags).column_valued("tag"))
    asks = sa.or_(tag.startswith(SKILL, autoescape=True), tag.startswith(GROUP, autoescape=True))
    lacking = sa.select(sa.func.bool_or(asks & (tag != sa.all_(asker.has)))).correlate(Task)
    return sa.func.coalesce(lacking.scalar_subquery(), sa.false())


def _wrote_some_of_it(asker: Asker) -> sa.ColumnElement[bool]:
    """As values of one task, never as a join: the planner would read all responses for authors that hardly exist."""
    responses = (
        sa.select(sa.func.bool_or(Response.author_id == asker.annotator_id))
        .join(TaskResponse, TaskResponse.response_id == Response.id)
        .where(TaskResponse.task_id == Task.id)
        .correlate(Task)
    )
    prompt = sa.select(Prompt.author_id == asker.annotator_id).where(Prompt.id == Task.prompt_id).correlate(Task)
    return sa.or_(
        sa.func.coalesce(responses.scalar_subquery(), sa.false()),
        sa.func.coalesce(prompt.scalar_subquery(), sa.false()),
    )

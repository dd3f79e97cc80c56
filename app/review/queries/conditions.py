"""A filter of the task list as conditions of SQL; what was typed only ever travels as a bound parameter."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY
from sqlalchemy.orm import aliased

from app.models import Annotation, Assignment, ImportBatch, Prompt, Task
from app.models.task import IS_WAITING, SCOPED_SEARCH
from app.review.schemas import StatusFilter, TaskFilter

Condition = sa.ColumnElement[bool]
SCOPED: sa.ColumnElement[str] = sa.literal_column(f"({SCOPED_SEARCH})")


@dataclass(frozen=True, slots=True)
class Conditions:
    """`on_task` can be told from the task's own row and its votes, `on_prompt` needs the prompt beside it.

    The words that were searched for stand apart, in `words`: the listing decides by which index they are looked up.
    """

    project_id: int
    on_task: list[Condition]
    on_prompt: list[Condition]
    words: str | None

    @property
    def is_only_words(self) -> bool:
        return len(self.on_task) == 1 and not self.on_prompt

    def matching(self) -> sa.Select[int]:
        """Ids of all tasks that match, without order or end."""
        query = sa.select(Task.id).where(*self.on_task)
        if self.on_prompt or self.words:
            query = query.join(Prompt, Prompt.id == Task.prompt_id).where(*self.on_prompt, *self.words_of_prompt())
        return query

    def words_of_prompt(self) -> list[Condition]:
        """The words as a condition on one prompt row that is already at hand."""
        return [] if self.words is None else [Prompt.search.bool_op("@@")(typed(self.words)), *self._has_words()]

    def words_in_index(self, block: sa.ColumnElement[int] | None = None) -> list[Condition]:
        """The words looked up among this project's prompts only; with `block`, in that block of ids only."""
        if self.words is None:
            return []
        wanted = typed(self.words).op("&&")(_marker("project", sa.literal(self.project_id, sa.BigInteger)))
        if block is not None:
            wanted = wanted.op("&&")(_marker("block", block))
        return [SCOPED.bool_op("@@")(wanted), *self._has_words()]

    def _has_words(self) -> list[Condition]:
        """A text of nothing but signs has no words: it finds nothing, not everything."""
        return [sa.func.numnode(typed(self.words or "")) > 0]


def typed(words: str) -> sa.Function[object]:
    return sa.func.websearch_to_tsquery(sa.literal_column("'simple'::regconfig"), words)


def _marker(name: str, value: sa.ColumnElement[int]) -> sa.ColumnElement[object]:
    """The lexeme of SCOPED_SEARCH for a project or a block, in the quotes of a tsquery."""
    prefix: sa.ColumnElement[str] = sa.literal_column(f"'''' || chr(1) || '{name}:'")
    quoted = prefix.op("||")(sa.cast(value, sa.Text)).op("||")(sa.literal_column("''''"))
    return sa.cast(quoted, TSQUERY)


def conditions(project_id: int, wanted: TaskFilter, *, annotator_id: int | None) -> Conditions:
    """`annotator_id` is that of `wanted.annotator`; None with a pseudonym given means that nobody is called so."""
    on_task: list[Condition] = [Task.project_id == project_id]
    if wanted.status is not None:
        on_task.append(_status(project_id, wanted.status))
    if wanted.kind is not None:
        on_task.append(Task.kind == wanted.kind)
    if wanted.tag is not None:
        on_task.append(Task.tags.bool_op("@>")(sa.cast([wanted.tag], ARRAY(sa.Text))))
    if wanted.domain is not None:
        on_task.append(Task.domain == wanted.domain)
    if wanted.language is not None:
        on_task.append(Task.language == wanted.language)
    if wanted.annotator is not None:
        judged = sa.exists().where(Annotation.task_id == Task.id, Annotation.annotator_id == annotator_id)
        on_task.append(judged if annotator_id is not None else sa.false())
    if wanted.late:
        on_task.append(_has_vote(project_id, sa.text("annotation.standing = 'late'")))
    if wanted.flagged:
        on_task.append(_has_vote(project_id, Annotation.is_flagged))
    on_prompt = _on_prompt(project_id, wanted, on_task)
    return Conditions(project_id, on_task, on_prompt, wanted.q)


def _on_prompt(project_id: int, wanted: TaskFilter, on_task: list[Condition]) -> list[Condition]:
    found: list[Condition] = []
    if wanted.external_id is not None:
        found.append(sa.and_(Prompt.project_id == project_id, Prompt.external_id == wanted.external_id))
    if wanted.batch is not None:
        found.append(Prompt.batch_id == wanted.batch)
        # A batch of this project whose prompts lie between two ids: the walk in that order starts and ends there.
        ids = sa.select(sa.func.min(Prompt.id), sa.func.max(Prompt.id)).where(Prompt.batch_id == wanted.batch)
        least, most = (ids.with_only_columns(column).scalar_subquery() for column in ids.selected_columns)
        on_task.append(Task.prompt_id.between(least, most))
        on_task.append(sa.exists().where(ImportBatch.id == wanted.batch, ImportBatch.project_id == project_id))
    return found


def _status(project_id: int, status: StatusFilter) -> Condition:
    if status == StatusFilter.WAITING:
        return sa.text(f"({IS_WAITING})")  # type: ignore[return-value]
    if status == StatusFilter.LEASED:
        on_desks = sa.select(Assignment.task_id).where(
            Assignment.project_id == project_id, sa.text("assignment.state = 'open'")
        )
        return Task.id.in_(on_desks)
    return Task.status == status.value


def _has_vote(project_id: int, kind: sa.SQLColumnExpression[bool] | sa.TextClause) -> Condition:
    """A vote of this kind that no revision has replaced."""
    newer = aliased(Annotation)
    return Task.id.in_(
        sa.select(Annotation.task_id).where(
            Annotation.project_id == project_id, kind, ~sa.exists().where(newer.supersedes_id == Annotation.id)
        )
    )

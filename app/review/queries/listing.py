"""One page of the task list, quick whatever the filter meets.

Two questions are asked in turn. *How many match?* stops counting at 10,000; where fewer match it has them all in hand,
and sorts and cuts the page out of them. Only where more match is the list walked in its order through an index, which
soon meets enough rows. A word that is common, yet stands in a far part of the list only, would make that walk long: by
import order it is therefore looked up a block of ids at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, aliased

from app.models import Annotation, Annotator, Choice, ImportBatch, Prompt, Standing, Task
from app.models.task import PROGRESS, SEARCH_BLOCK
from app.review.cursors import Cursor
from app.review.queries.conditions import Conditions
from app.review.schemas import Sort

COUNT_LIMIT = 10_000
EXCERPT_CHARACTERS = 240
MAX_FACETS = 100

Column = sa.SQLColumnExpression[Any]
Place = tuple[int, int]
"""A row's place in the order: the key that is sorted by, and the task's id."""


@dataclass(frozen=True, slots=True)
class Found:
    """`total` is at most COUNT_LIMIT + 1. `places` holds one more than the page when the list goes on."""

    total: int
    places: list[Place]


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of the order is wanted, and how many rows; `is_descending` is the direction of reading."""

    sort: Sort
    cursor: Cursor | None
    limit: int

    @property
    def is_backwards(self) -> bool:
        return self.cursor is not None and self.cursor.direction == "previous"

    @property
    def is_descending(self) -> bool:
        return self.sort.value.startswith("-") != self.is_backwards

    def key(self) -> Column:
        by_priority = sa.cast(Task.priority, sa.BigInteger)
        by_progress = sa.cast(sa.literal_column(f"({PROGRESS})"), sa.BigInteger)
        return {"id": Task.prompt_id, "priority": by_priority, "progress": by_progress}[self.sort.value.lstrip("-")]

    def indexed_key(self) -> Column:
        """The key as the index has it, so that a walk finds its order there."""
        progress: sa.ColumnElement[int] = sa.literal_column(f"({PROGRESS})")
        return {"id": Task.prompt_id, "priority": Task.priority, "progress": progress}[self.sort.value.lstrip("-")]

    def after(self, key: Column, row_id: Column) -> list[sa.ColumnElement[bool]]:
        if self.cursor is None:
            return []
        row = sa.tuple_(key, row_id)
        here = sa.tuple_(sa.literal(self.cursor.key, sa.BigInteger), sa.literal(self.cursor.id, sa.BigInteger))
        return [row < here if self.is_descending else row > here]

    def order(self, key: Column, row_id: Column) -> list[sa.ColumnElement[Any]]:
        return [key.desc(), row_id.desc()] if self.is_descending else [key.asc(), row_id.asc()]


def prepare(session: Session, *, annotator: str | None, has_words: bool) -> int | None:
    """Settings of the statements that follow, for this transaction; returns the id of the annotator named so, if any.

    Each value gets a plan of its own (a plan for any word would be slow for all of them), and no plan is compiled,
    which takes longer than running it. Words are always looked up in their index: reading prompts from the start
    until enough have them seems cheap to the planner, and is not where they stand at the end.
    """
    named = sa.select(Annotator.id).where(Annotator.pseudonym == annotator).scalar_subquery()
    found: int | None = session.execute(
        sa.select(
            sa.func.set_config("plan_cache_mode", "force_custom_plan", True),
            sa.func.set_config("jit", "off", True),
            sa.func.set_config("enable_seqscan", "off" if has_words else "on", True),
            named,
        )
    ).one()[3]
    return found


def count_and_cut(session: Session, found: Conditions, window: Window) -> Found:
    """How many match, up to the limit; and while they are fewer, the page itself."""
    matching = _few_or_many(found, window).cte("matching").prefix_with("MATERIALIZED", dialect="postgresql")
    few = sa.select(sa.func.count()).select_from(matching).scalar_subquery() <= COUNT_LIMIT
    page = (
        sa.select(matching.c.key, matching.c.id)
        .where(few, *window.after(matching.c.key, matching.c.id))
        .order_by(*window.order(matching.c.key, matching.c.id))
        .limit(window.limit)
        .cte("page")
    )
    total = sa.select(sa.func.count().label("total")).select_from(matching).subquery("counted")
    rows = session.execute(
        sa.select(total.c.total, page.c.key, page.c.id).select_from(total.outerjoin(page, sa.true()))
    ).all()
    places = [(int(row.key), int(row.id)) for row in rows if row.id is not None]
    places.sort(reverse=window.is_descending)
    return Found(int(rows[0].total), places)


def _few_or_many(found: Conditions, window: Window) -> sa.Select[int, int]:
    """(key, id) of at most COUNT_LIMIT + 1 matches, in no order.

    Words are looked up in their index first. Where that meets few prompts, only their tasks are looked at; where it
    meets more than the limit, the words alone would be too many, and other conditions are put to the tasks first.
    """
    key: sa.Label[int] = window.key().label("key")
    if found.words is None:
        query = sa.select(key, Task.id).where(*found.on_task)
        if found.on_prompt:
            query = query.join(Prompt, Prompt.id == Task.prompt_id).where(*found.on_prompt)
        return query.limit(COUNT_LIMIT + 1)
    prompts = (
        sa.select(Prompt.id)
        .where(*found.words_in_index(), *found.on_prompt)
        .limit(COUNT_LIMIT + 1)
        .cte("prompts")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    n_prompts = sa.select(sa.func.count()).select_from(prompts).scalar_subquery()
    by_words = sa.select(key, Task.id).join(prompts, prompts.c.id == Task.prompt_id).where(*found.on_task)
    if found.is_only_words:
        return by_words.limit(COUNT_LIMIT + 1)
    # OFFSET 0 keeps this one way round: the task first, then its prompt. Merged, all prompts would be read.
    has_words = (
        sa.select(Prompt.id)
        .where(Prompt.id == Task.prompt_id, *found.on_prompt, *found.words_of_prompt())
        .offset(0)
        .lateral("has_words")
    )
    by_task = (
        sa.select(key, Task.id)
        .join(has_words, sa.true())
        .where(*found.on_task, n_prompts > COUNT_LIMIT)
        .limit(COUNT_LIMIT + 1)
    )
    both = sa.union_all(by_words.where(n_prompts <= COUNT_LIMIT), by_task).subquery("both")
    return sa.select(both.c.key, both.c.id).limit(COUNT_LIMIT + 1)


def walk(session: Session, found: Conditions, window: Window) -> list[Place]:
    """The page read off in its order, where so many match that it is soon full."""
    if found.words is not None and window.sort in (Sort.OLDEST, Sort.NEWEST):
        return _walk_blocks(session, found, window)
    key = window.indexed_key()
    query: sa.Select[int, int] = sa.select(key.label("key"), Task.id)
    query = query.where(*found.on_task, *window.after(key, Task.id))
    if found.on_prompt or found.words:
        query = query.join(Prompt, Prompt.id == Task.prompt_id).where(*found.on_prompt, *found.words_of_prompt())
    rows = session.execute(query.order_by(*window.order(key, Task.id)).limit(window.limit)).all()
    return [(int(row.key), int(row.id)) for row in rows]


def _walk_blocks(session: Session, found: Conditions, window: Window) -> list[Place]:
    """By import order, each step looks the words up in the next block of prompt ids, until the page is full."""
    ends = sa.select(sa.func.min(Task.prompt_id), sa.func.max(Task.prompt_id)).where(found.on_task[0])
    least, most = (_block(ends.with_only_columns(column).scalar_subquery()) for column in ends.selected_columns)
    first, last, step = (most, least, -1) if window.is_descending else (least, most, 1)
    if window.cursor is not None:
        first = _block(sa.literal(window.cursor.key, sa.BigInteger))
    no_places = sa.cast(sa.literal_column("'{}'"), ARRAY(sa.BigInteger))
    scan = sa.select(
        (first - step).label("block"),
        sa.literal_column("0::bigint").label("n"),
        no_places.label("page_keys"),
        no_places.label("page_ids"),
    ).cte("scan", recursive=True)
    here = (scan.c.block + step).label("block")
    prompts = (
        sa.select(Prompt.id)
        .where(*found.words_in_index(here), *found.on_prompt)
        .correlate(scan)
        .cte("prompts", nesting=True)
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    rows = (
        sa.select(Task.prompt_id.label("key"), Task.id)
        .join(prompts, prompts.c.id == Task.prompt_id)
        .where(
            *found.on_task,
            Task.prompt_id.between(here * SEARCH_BLOCK, here * SEARCH_BLOCK + (SEARCH_BLOCK - 1)),
            *window.after(Task.prompt_id, Task.id),
        )
        .order_by(*window.order(Task.prompt_id, Task.id))
        .limit(window.limit)
        .correlate(scan)
        .subquery("rows")
    )
    met = (
        sa.select(
            sa.func.count().label("n"),
            sa.func.coalesce(sa.func.array_agg(rows.c.key), no_places).label("page_keys"),
            sa.func.coalesce(sa.func.array_agg(rows.c.id), no_places).label("page_ids"),
        )
        .correlate(scan)
        .lateral("met")
    )
    is_left = scan.c.block > last if window.is_descending else scan.c.block < last
    scan = scan.union_all(
        sa.select(here, scan.c.n + met.c.n, met.c.page_keys, met.c.page_ids)
        .select_from(scan.join(met, sa.true()))
        .where(scan.c.n < window.limit, is_left)
    )
    places = [
        (int(key), int(row_id))
        for keys, ids in session.execute(sa.select(scan.c.page_keys, scan.c.page_ids))
        for key, row_id in zip(keys, ids, strict=True)
    ]
    return sorted(places, reverse=window.is_descending)[: window.limit]


def _block(prompt_id: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    return sa.cast(prompt_id, sa.BigInteger).op("/")(sa.literal_column(str(SEARCH_BLOCK)))


def rows(session: Session, ids: Sequence[int]) -> dict[int, Any]:
    """(task, external id, excerpt, votes by choice) of the tasks on the page, by id."""
    newer = aliased(Annotation)
    votes = (
        sa.select(
            *[sa.func.count().filter(Annotation.choice == choice).label(choice.value) for choice in Choice],
        )
        .where(
            Annotation.task_id == Task.id,
            Annotation.standing.in_((Standing.COUNTED, Standing.GOLD)),
            ~sa.exists().where(newer.supersedes_id == Annotation.id),
        )
        .lateral("votes")
    )
    excerpt = sa.func.left(Prompt.search_text, EXCERPT_CHARACTERS).label("excerpt")
    found = session.execute(
        sa.select(Task, Prompt.external_id, excerpt, *votes.c)
        .join(Prompt, Prompt.id == Task.prompt_id)
        .join(votes, sa.true())
        .where(Task.id == sa.func.any(sa.cast(list(ids), ARRAY(sa.BigInteger))))
    )
    return {row.Task.id: row for row in found}


@dataclass(frozen=True, slots=True)
class Facets:
    """What can be chosen in the filter: the first hundred of each."""

    domains: list[str]
    languages: list[str]
    batches: list[tuple[int, str]]

    def choices(self, name: str, value: str | None) -> list[tuple[str, str]]:
        """Options of a select; the value that is set is among them, also where it is beyond the first hundred."""
        values: list[str] = getattr(self, name)
        return [(each, each) for each in (values if value is None or value in values else [value, *values])]


def facets(session: Session, project_id: int) -> Facets:
    """Domains and languages hop from value to value through their index, however many tasks carry each."""
    batches = (
        sa.select(sa.literal("batch").label("kind"), sa.cast(ImportBatch.id, sa.Text), ImportBatch.filename)
        .where(ImportBatch.project_id == project_id)
        .order_by(ImportBatch.id.desc())
        .limit(MAX_FACETS)
    )
    parts = [_hop(project_id, "domain", Task.domain), _hop(project_id, "language", Task.language), batches]
    found = session.execute(sa.union_all(*[sa.select(part.subquery()) for part in parts])).all()
    return Facets(
        domains=sorted(value for kind, value, _ in found if kind == "domain"),
        languages=sorted(value for kind, value, _ in found if kind == "language"),
        batches=[(int(value), name) for kind, value, name in found if kind == "batch"],
    )


def _hop(project_id: int, name: str, column: Any) -> sa.Select[Any]:
    of_project = (Task.project_id == project_id, column.is_not(None))
    least = sa.select(sa.func.min(column)).where(*of_project).scalar_subquery()
    hops = sa.select(least.label("value"), sa.literal_column("1").label("n")).cte(f"{name}s", recursive=True)
    following = sa.select(sa.func.min(column)).where(*of_project, column > hops.c.value).correlate(hops)
    hops = hops.union_all(
        sa.select(following.scalar_subquery(), hops.c.n + 1).where(hops.c.value.is_not(None), hops.c.n < MAX_FACETS)
    )
    return sa.select(sa.literal(name).label("kind"), hops.c.value, sa.literal("")).where(hops.c.value.is_not(None))

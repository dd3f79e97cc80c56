"""Takes the rows of one import, chunk by chunk, knows what is already there, and writes or rehearses the rest."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy.orm import Session

from app.annotation.answers import Given, StoredAnswer, derive
from app.database import Base
from app.exchange import queries
from app.exchange.planned import GivenVote, PlannedTask, Positions, problems_of, tasks_of
from app.exchange.problems import ImportProblem, shorten
from app.exchange.rows import ImportRow, row_hash
from app.models import (
    Annotation,
    Annotator,
    AnnotatorKind,
    GoldAnswer,
    OverlapReason,
    Preference,
    Prompt,
    Response,
    Standing,
    Task,
    TaskKind,
    TaskResponse,
    TaskStatus,
)
from app.projects.definitions import AnswerSchema

CHUNK_ROWS = 1000
CHUNK_CHARACTERS = 4_000_000


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds in the project now; stands on every task and vote of the import.

    `own_overlap` is what this import asks for whatever the policy comes to say, 0 where it named no overlap.
    """

    overlap: int
    extra_overlap: int
    own_overlap: int
    schema: AnswerSchema
    schema_version_id: int
    policy_version_id: int
    guideline_version_id: int | None


@dataclass(slots=True)
class ImportCounts:
    """What an import added, and what it found to be there already."""

    batch_id: int | None = None
    rows: int = 0
    prompts: int = 0
    responses: int = 0
    tasks: int = 0
    gold_tasks: int = 0
    voted_tasks: int = 0
    votes: int = 0
    annotators: int = 0
    repeated_rows: int = 0
    repeated_votes: int = 0

    @property
    def has_added(self) -> bool:
        return bool(self.prompts or self.votes)


@dataclass(frozen=True, slots=True)
class _Place:
    """A task in the database, as votes need it."""

    task_id: int
    kind: TaskKind
    response_ids: tuple[int, ...]
    positions: Positions

    def given(self, vote: GivenVote) -> Given:
        """What the vote says, by response ids."""
        ids = dict(zip(self.positions, self.response_ids, strict=True))
        ranking = None if vote.ranking is None else [sorted(ids[each] for each in tied) for tied in vote.ranking]
        choice = None if vote.choice is None else vote.choice.value
        return Given(choice, vote.strength, StoredAnswer(ranking=ranking))


class Writes(Protocol):
    """The statements that change something; app.exchange.queries has them."""

    def next_ids(self, session: Session, model: type[Base], count: int) -> list[int]: ...

    def copy_rows(
        self, session: Session, model: type[Base], columns: Sequence[str], rows: Iterable[Sequence[Any]]
    ) -> None: ...

    def count_more(self, session: Session, votes: dict[int, int]) -> None: ...


class Rehearsal:
    """Writes nothing, so that a preview goes the very way of the import, with the same counts and problems."""

    def next_ids(self, session: Session, model: type[Base], count: int) -> list[int]:  # noqa: ARG002
        return list(range(1, count + 1))

    def copy_rows(self, *_given: Any) -> None:
        pass

    def count_more(self, *_given: Any) -> None:
        pass


def chunks(items: Iterable[ImportRow | ImportProblem]) -> Iterator[list[ImportRow | ImportProblem]]:
    """Items in lists that are bounded in number and in characters, so that memory is too."""
    chunk: list[ImportRow | ImportProblem] = []
    characters = 0
    for item in items:
        chunk.append(item)
        if isinstance(item, ImportRow):
            characters += sum(len(response.text) for response in item.responses)
        if len(chunk) >= CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def content_key(row: ImportRow) -> bytes:
    """What makes a row the same one on a second import: its task_id, if it has one, and all that is judged.

    Real data holds the same two texts under several ids, so content alone would merge what its owner keeps apart.
    """
    return hashlib.sha256(f"{row.task_id or ''}\n{row_hash(row)}".encode()).digest()


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _content(row: ImportRow) -> dict[str, Any]:
    """The prompt as the table keeps it."""
    if isinstance(row.prompt, str):
        return {"text": row.prompt}
    return {"messages": [{"role": message.role, "content": message.content} for message in row.prompt]}


class Loader:
    """Takes chunks of rows; `counts` and `problems` grow as it goes. The caller's transaction decides about all."""

    def __init__(
        self,
        session: Session,
        *,
        project_id: int,
        batch_id: int | None,
        actor_id: int | None,
        terms: Terms,
        writes: Writes = queries,
        seed: int | None = None,
    ) -> None:
        self.session = session
        self.project_id = project_id
        self.batch_id = batch_id
        self.actor_id = actor_id
        self.terms = terms
        self.writes = writes
        self.now: datetime = queries.database_time(session)
        self.counts = ImportCounts(batch_id=batch_id)
        self.problems: list[ImportProblem] = []
        self._random = random.Random(seed)  # noqa: S311 - a place in the queue is no secret
        self._annotators: dict[str, int] = {}
        self._own_keys: set[bytes] = set()

    def load(self, chunk: list[ImportRow | ImportProblem]) -> None:
        self.problems += [item for item in chunk if isinstance(item, ImportProblem)]
        rows = [item for item in chunk if isinstance(item, ImportRow)]
        self.counts.rows += len(rows)
        fresh, repeated = self._sort_out(rows)
        self._know_annotators(fresh + [row for row, _ in repeated])
        self._add_votes(repeated)
        self._add(fresh)

    def _sort_out(self, rows: list[ImportRow]) -> tuple[list[ImportRow], list[tuple[ImportRow, int]]]:
        """(rows to add, rows of earlier imports with the id of their prompt); problems are noted on the way."""
        keys = [content_key(row) for row in rows]
        earlier = queries.known_prompts(
            self.session, self.project_id, keys, [row.task_id for row in rows if row.task_id is not None]
        )
        by_key = {bytes(found.content_hash): found.id for found in earlier}
        by_task_id = {found.external_id: bytes(found.content_hash) for found in earlier}
        fresh: list[ImportRow] = []
        repeated: list[tuple[ImportRow, int]] = []
        for row, key in zip(rows, keys, strict=True):
            problems = list(problems_of(row, self.terms.schema))
            if row.task_id is not None and by_task_id.get(row.task_id, key) != key:
                named = {"task_id": shorten(row.task_id)}
                problems.append(ImportProblem(row.row, "task_id", "task_id_other_text", named))
            if key in self._own_keys and row.votes:
                problems.append(ImportProblem(row.row, "votes", "votes_apart"))
            self.problems += problems
            if problems:
                continue
            if key in self._own_keys:
                self.counts.repeated_rows += 1
                continue
            self._own_keys.add(key)
            if row.task_id is not None:
                by_task_id[row.task_id] = key
            prompt_id = by_key.get(key)
            if prompt_id is None:
                fresh.append(row)
            else:
                self.counts.repeated_rows += 1
                repeated.append((row, prompt_id))
        return fresh, repeated

    def _know_annotators(self, rows: list[ImportRow]) -> None:
        """Make sure that every annotator of these rows has an id."""
        missing = sorted({vote.annotator for row in rows for vote in row.votes} - self._annotators.keys())
        if not missing:
            return
        self._annotators |= queries.imported_annotators(self.session, self.project_id, missing)
        new = [name for name in missing if name not in self._annotators]
        ids = self.writes.next_ids(self.session, Annotator, len(new))
        self._annotators |= dict(zip(new, ids, strict=True))
        self.counts.annotators += len(new)
        self.writes.copy_rows(
            self.session,
            Annotator,
            ("id", "kind", "pseudonym", "project_id", "external_id"),
            (
                (annotator_id, AnnotatorKind.IMPORTED.value, f"imported-{annotator_id:06d}", self.project_id, name)
                for name, annotator_id in zip(new, ids, strict=True)
            ),
        )

    def _add(self, rows: list[ImportRow]) -> None:
        """Prompts, responses, tasks, known answers and votes of rows that are not there yet."""
        planned = [tasks_of(row, self.terms.schema) for row in rows]
        prompt_ids = self.writes.next_ids(self.session, Prompt, len(rows))
        response_ids = iter(self.writes.next_ids(self.session, Response, sum(len(row.responses) for row in rows)))
        task_ids = iter(self.writes.next_ids(self.session, Task, sum(map(len, planned))))
        prompts: list[tuple[Any, ...]] = []
        responses: list[tuple[Any, ...]] = []
        tasks: list[tuple[Any, ...]] = []
        compared: list[tuple[int, int, int]] = []
        gold: list[tuple[Any, ...]] = []
        votes: list[tuple[_Place, GivenVote]] = []
        for row, row_tasks, prompt_id in zip(rows, planned, prompt_ids, strict=True):
            prompts.append(self._prompt(row, prompt_id))
            own_ids = [next(response_ids) for _ in row.responses]
            responses += [
                (own_ids[i], prompt_id, i, response.text, response.model, _json(response.metadata))
                for i, response in enumerate(row.responses)
            ]
            for task in row_tasks:
                kind = TaskKind.REGULAR if task.gold is None else TaskKind.GOLD
                judged = tuple(own_ids[position] for position in task.positions)
                place = _Place(next(task_ids), kind, judged, task.positions)
                tasks.append(self._task(row, task, place, prompt_id))
                compared += [(place.task_id, n, response_id) for n, response_id in enumerate(judged)]
                if task.gold is not None:
                    gold.append((place.task_id, task.gold.value, task.explanation, self.actor_id))
                votes += [(place, vote) for vote in task.votes]
        copy = self.writes.copy_rows
        copy(self.session, Prompt, _PROMPT, prompts)
        copy(self.session, Response, ("id", "prompt_id", "position", "text", "model", "meta"), responses)
        copy(self.session, Task, _TASK, tasks)
        copy(self.session, TaskResponse, ("task_id", "position", "response_id"), compared)
        copy(self.session, GoldAnswer, ("task_id", "choice", "explanation", "created_by_id"), gold)
        self._write_votes(votes)
        self.counts.prompts += len(prompts)
        self.counts.responses += len(responses)
        self.counts.tasks += len(tasks)
        self.counts.gold_tasks += len(gold)
        self.counts.voted_tasks += sum(bool(task.votes) for row_tasks in planned for task in row_tasks)

    def _prompt(self, row: ImportRow, prompt_id: int) -> tuple[Any, ...]:
        return (
            prompt_id,
            self.project_id,
            self.batch_id,
            row.task_id,
            _json(_content(row)),
            content_key(row),
            "\n\n".join(message.content for message in row.messages),
            _json(row.metadata),
        )

    def _task(self, row: ImportRow, task: PlannedTask, place: _Place, prompt_id: int) -> tuple[Any, ...]:
        """A task with its votes counted in; those of a gold task are outside overlap and not counted."""
        counted = len(task.votes) if place.kind == TaskKind.REGULAR else 0
        wanted = self.terms.extra_overlap if counted else self.terms.overlap
        is_done = place.kind == TaskKind.REGULAR and wanted == 0
        return (
            place.task_id,
            self.project_id,
            prompt_id,
            place.kind.value,
            (TaskStatus.DONE if is_done else TaskStatus.OPEN).value,
            0,
            counted + wanted,
            counted + wanted if counted else self.terms.own_overlap,
            counted,
            0,
            self._random.getrandbits(62),
            row.domain,
            row.language,
            list(row.tags),
            self.now if is_done else None,
        )

    def _add_votes(self, rows: list[tuple[ImportRow, int]]) -> None:
        """Votes of rows whose prompt an earlier import brought: those that are new are added and counted."""
        rows = [(row, prompt_id) for row, prompt_id in rows if row.votes]
        if not rows:
            return
        places = {
            (found.prompt_id, tuple(found.positions)): _Place(
                found.task_id, found.kind, tuple(found.response_ids), tuple(found.positions)
            )
            for found in queries.tasks_of_prompts(self.session, [prompt_id for _, prompt_id in rows])
        }
        given = {
            (found.task_id, found.external_id): (found.choice, found.strength, found.answer)
            for found in queries.imported_votes(self.session, [place.task_id for place in places.values()])
        }
        new: list[tuple[_Place, GivenVote]] = []
        for row, prompt_id in rows:
            for task in tasks_of(row, self.terms.schema):
                place = places.get((prompt_id, task.positions))
                if place is None:
                    self.problems.append(ImportProblem(row.row, "votes", "schema_changed"))
                    continue
                for vote in task.votes:
                    said_now = (vote.choice, vote.strength, place.given(vote).answer.to_json())
                    before = given.get((place.task_id, vote.annotator))
                    if before is None:
                        given[place.task_id, vote.annotator] = said_now
                        new.append((place, vote))
                    elif before == said_now:
                        self.counts.repeated_votes += 1
                    else:
                        said = {"annotator": shorten(vote.annotator)}
                        self.problems.append(ImportProblem(row.row, "votes", "vote_changed", said))
        counted = Counter(place.task_id for place, _ in new if place.kind == TaskKind.REGULAR)
        if counted:
            self.writes.count_more(self.session, counted)
        self._write_votes(new)

    def _write_votes(self, votes: list[tuple[_Place, GivenVote]]) -> None:
        ids = self.writes.next_ids(self.session, Annotation, len(votes))
        terms = self.terms
        versions = (terms.guideline_version_id, terms.schema_version_id, terms.policy_version_id)
        annotations = (
            (
                annotation_id,
                self.project_id,
                place.task_id,
                self._annotators[vote.annotator],
                None if vote.choice is None else vote.choice.value,
                vote.strength,
                _json(place.given(vote).answer.to_json()),
                vote.rationale,
                False,
                (Standing.COUNTED if place.kind == TaskKind.REGULAR else Standing.GOLD).value,
                OverlapReason.IMPORTED.value,
                *versions,
                vote.submitted_at or self.now,
                vote.milliseconds,
                1,
            )
            for annotation_id, (place, vote) in zip(ids, votes, strict=True)
        )
        self.writes.copy_rows(self.session, Annotation, _ANNOTATION, annotations)
        preferences = (
            row
            for annotation_id, said in zip(ids, votes, strict=True)
            for row in _preferences(annotation_id, said, terms)
        )
        self.writes.copy_rows(self.session, Preference, _PREFERENCE, preferences)
        self.counts.votes += len(votes)


def _preferences(annotation_id: int, said: tuple[_Place, GivenVote], terms: Terms) -> Iterator[tuple[Any, ...]]:
    place, vote = said
    group_id = str(uuid4()) if len(place.response_ids) > 2 else None
    for derived in derive(place.given(vote), terms.schema, response_ids=place.response_ids):
        yield (
            annotation_id,
            derived.preference.low_response_id,
            derived.preference.high_response_id,
            derived.preference.signed_strength,
            derived.strength_steps,
            derived.preference.is_both_bad,
            derived.criterion,
            group_id,
        )


_PROMPT = ("id", "project_id", "batch_id", "external_id", "content", "content_hash", "search_text", "meta")
_TASK = (
    "id",
    "project_id",
    "prompt_id",
    "kind",
    "status",
    "priority",
    "n_target",
    "own_overlap",
    "n_counted",
    "n_leased",
    "queue_key",
    "domain",
    "language",
    "tags",
    "done_at",
)
_ANNOTATION = (
    "id",
    "project_id",
    "task_id",
    "annotator_id",
    "choice",
    "strength",
    "answer",
    "rationale",
    "is_flagged",
    "standing",
    "overlap_reason",
    "guideline_version_id",
    "schema_version_id",
    "policy_version_id",
    "submitted_at",
    "active_ms",
    "revision",
)
_PREFERENCE = (
    "annotation_id",
    "low_response_id",
    "high_response_id",
    "signed_strength",
    "strength_steps",
    "is_both_bad",
    "criterion",
    "group_id",
)

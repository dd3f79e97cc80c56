"""Annotators that are no people: they judge a sample project through the same hand-out and submit as everybody.

Each has an accuracy and a pull to the left side, drawn from the seed. Which response they prefer follows Bradley and
Terry on the responses' `meta.quality`; where a quality is missing they toss a coin. They are of the kind `simulated`
and are called so in their pseudonyms, so that their judgements can never be taken for people's.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy.orm import Session

from app import queue
from app.annotation import queries, service
from app.annotation.handing_out import Nothing, next_assignment
from app.annotation.schemas import Judgement
from app.database import JSON, unit_of_work
from app.domain.assignment import Dice
from app.errors import Conflict
from app.models import Annotator, AnnotatorKind, Assignment
from app.models import Job as JobRow
from app.projects.definitions import AnswerSchema, Asked, Pairwise

ANNOTATORS = 6
SHARPNESS = 6.0
"""Log-odds for a quality difference of one, at accuracy 1: .9 against .4 is then chosen about 19 times in 20."""
TIE_BELOW = 0.35
BOTH_BAD_BELOW = 0.25
REPORT_EVERY = 10
BUSY_TIMES = 50


@dataclass(frozen=True, slots=True)
class Temper:
    """How one simulated annotator judges: `accuracy` scales the evidence, `left_pull` is added to the left side."""

    accuracy: float
    left_pull: float


def draw_temper(dice: random.Random) -> Temper:
    """Most are careful, a few are careless; hardly anybody is without a favourite side."""
    return Temper(accuracy=dice.betavariate(6, 2), left_pull=dice.gauss(0.0, 0.25))


def draw_answer(
    dice: Dice, left: float | None, right: float | None, *, temper: Temper, asked: Pairwise
) -> int | Literal["both_bad"]:
    """An answer on the scale from the qualities (0..1) of the two shown sides.

    A logistic draw around the difference is one from Bradley and Terry's model; how far it lies from nought is the
    strength. Text length plays no part.
    """
    if left is None or right is None:
        evidence = 0.0
    else:
        if asked.allows_both_bad and max(left, right) < BOTH_BAD_BELOW:
            return "both_bad"
        evidence = SHARPNESS * temper.accuracy * (right - left)
    uniform = min(max(dice.random(), 1e-9), 1 - 1e-9)
    latent = evidence - temper.left_pull + math.log(uniform / (1 - uniform))
    if asked.allows_tie and abs(latent) < TIE_BELOW:
        return 0
    strength = min(asked.strength_steps, 1 + int(abs(latent) / 1.5))
    return strength if latent > 0 else -strength


def run(job: JobRow, reporter: queue.Reporter) -> JSON:
    """The job: judge until `votes` judgements are there (all there are to give, by default).

    Payload: project_id, and optionally annotators, votes, seed. Each judgement is one transaction under the job's
    fence. A second attempt goes on where the first ended, since a judgement's key carries the job's id.
    """
    wanted = _Wanted.of(job.payload)
    dice = random.Random(f"{wanted.seed}-{job.id}-{job.attempt}")  # noqa: S311 - a simulation
    with unit_of_work() as session:
        reporter.fence(session)
        people = _annotators(session, wanted)
        done = queries.count_keys(session, annotator_ids=[one.id for one in people], prefix=_prefix(job))
        places = queries.count_places(session, wanted.project_id)
    tempers = {one.id: draw_temper(random.Random(f"{wanted.seed}-{one.external_id}")) for one in people}  # noqa: S311
    total = wanted.votes if wanted.votes is not None else done + places
    at_work, reason, busy = people, "", 0
    while at_work and (wanted.votes is None or done < wanted.votes):
        person = at_work[int(dice.random() * len(at_work))]
        with unit_of_work() as session:
            reporter.fence(session)
            ended = _judge_one(session, job, person, tempers[person.id], dice)
        if ended is None:
            done, busy = done + 1, 0
        elif ended == Nothing.BUSY and busy < BUSY_TIMES:
            busy += 1
        else:
            at_work, reason = [one for one in at_work if one is not person], ended.value
        if done % REPORT_EVERY == 0:
            reporter(progress=min(1.0, done / max(total, 1)), phase="judging")
    return {"annotators": len(people), "judgements": done, "ended": reason or "enough"}


@dataclass(frozen=True, slots=True)
class _Wanted:
    project_id: int
    annotators: int
    votes: int | None
    seed: int

    @classmethod
    def of(cls, payload: dict[str, Any]) -> _Wanted:
        votes = payload.get("votes")
        return cls(
            project_id=int(payload["project_id"]),
            annotators=min(max(int(payload.get("annotators", ANNOTATORS)), 1), 200),
            votes=int(votes) if votes is not None else None,
            seed=int(payload.get("seed", payload["project_id"])),
        )


def _prefix(job: JobRow) -> str:
    return f"simulation-{job.id}-"


def _annotators(session: Session, wanted: _Wanted) -> list[Annotator]:
    """The project's simulated annotators, made where they are missing."""
    known = {one.external_id: one for one in queries.simulated_annotators(session, wanted.project_id)}
    people = []
    for number in range(1, wanted.annotators + 1):
        name = f"simulated-{number:03d}"
        if name not in known:
            known[name] = Annotator(
                kind=AnnotatorKind.SIMULATED,
                pseudonym=f"simulated-{wanted.project_id}-{number:03d}",
                project_id=wanted.project_id,
                external_id=name,
            )
            session.add(known[name])
        people.append(known[name])
    session.flush()
    return people


def _judge_one(session: Session, job: JobRow, person: Annotator, temper: Temper, dice: random.Random) -> Nothing | None:
    """One task handed out and judged in one transaction; the reason when there is none."""
    now = datetime.now(UTC)
    found = next_assignment(session, project_id=person.project_id or 0, annotator_id=person.id, dice=dice, now=now)
    if isinstance(found, Nothing):
        return found
    row = queries.assignment_row(session, found.public_id, lock=True)
    if row is None:
        raise Conflict("The task was taken away while it was being judged.")
    schema = AnswerSchema.model_validate(row.schema)
    if schema.pairwise is None or schema.criteria or schema.edit == Asked.REQUIRED or len(row.response_ids) != 2:
        raise Conflict("Simulated annotators choose the better of two responses. This project asks for other answers.")
    judgement = Judgement(
        answer=_answer(session, found, schema.pairwise, temper, dice),
        rationale="Simulated." if schema.rationale == Asked.REQUIRED else "",
    )
    service.submit_annotation(
        session,
        row=row,
        judgement=judgement,
        idempotency_key=f"{_prefix(job)}{found.public_id}",
        actor_id=None,
        now=now,
    )
    return None


def _answer(
    session: Session, assignment: Assignment, asked: Pairwise, temper: Temper, dice: random.Random
) -> int | Literal["both_bad"]:
    left, right = queries.response_qualities(session, assignment.task_id)[:2]
    if assignment.is_swapped:
        left, right = right, left
    return draw_answer(dice, left, right, temper=temper, asked=asked)

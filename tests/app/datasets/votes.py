"""Votes as rows, the way the desk and the import write them, and a freeze from end to end."""

import itertools

import sqlalchemy as sa

from app.datasets import service
from app.datasets.schemas import FreezePolicy
from app.domain.preferences import to_preferences
from app.models import (
    Annotation,
    AnnotatorKind,
    Choice,
    DatasetVersion,
    GuidelineVersion,
    Job,
    OverlapReason,
    PolicyVersion,
    Preference,
    SchemaVersion,
    Standing,
    TaskResponse,
)
from app.projects.definitions import AnswerSchema
from workers.tasks.jobs import run_job


def sides(db, task):
    return db.scalars(
        sa.select(TaskResponse.response_id).where(TaskResponse.task_id == task.id).order_by(TaskResponse.position)
    ).all()


def vote(make, task, annotator, choice="first", strength=None, **values):
    """A counted vote with its preference; `supersedes` makes it a revision."""
    db = make.session
    earlier = values.pop("supersedes", None)
    versions = {
        name: db.scalar(sa.select(sa.func.max(kind.id)).where(kind.project_id == task.project_id))
        for name, kind in (
            ("policy_version_id", PolicyVersion),
            ("schema_version_id", SchemaVersion),
            ("guideline_version_id", GuidelineVersion),
        )
    }
    strength = (3 if choice in ("first", "second") else 0) if strength is None else strength
    row = Annotation(
        **{
            "project_id": task.project_id,
            "task_id": task.id,
            "annotator_id": annotator.id,
            "choice": Choice(choice),
            "strength": strength,
            "standing": Standing.COUNTED,
            "overlap_reason": OverlapReason.IMPORTED,
            "revision": 1 if earlier is None else earlier.revision + 1,
            "supersedes_id": None if earlier is None else earlier.id,
            **versions,
            **values,
        }
    )
    db.add(row)
    db.flush()
    said = to_preferences(choice, strength, *sides(db, task))
    schema = AnswerSchema.model_validate(db.get_one(SchemaVersion, row.schema_version_id).definition)
    db.add(
        Preference(
            annotation_id=row.id,
            low_response_id=said.low_response_id,
            high_response_id=said.high_response_id,
            signed_strength=said.signed_strength,
            strength_steps=schema.pairwise.strength_steps,
            is_both_bad=said.is_both_bad,
        )
    )
    db.commit()
    return row


def some_votes(make, project, *, n_tasks=10, n_annotators=3, same_prompt=1):
    """Tasks of which `same_prompt` share a prompt each; the annotators agree on two of three. Returns the tasks."""
    people = [make.outside_annotator(project, AnnotatorKind.IMPORTED) for _ in range(n_annotators)]
    tasks = []
    for n in range(n_tasks):
        responses = (f"An answer that is long enough for number {n}.", f"Short {n}.")
        tasks.append(make.task(project, prompt=f"Prompt {n // same_prompt}", responses=responses, domain="general"))
    for (n, task), (k, person) in itertools.product(enumerate(tasks), enumerate(people)):
        vote(make, task, person, "second" if (n + k) % 3 == 0 else "first", strength=1 + (n + k) % 3)
    return tasks


def freeze(db, project, **policy):
    """Ask for a version and let the worker do it; returns the version and its job as they are then."""
    version = service.freeze(db, project_id=project.id, actor_id=None, policy=FreezePolicy(**policy))
    db.commit()
    run_job(version.job_id)
    db.expire_all()
    return db.get_one(DatasetVersion, version.id), db.get_one(Job, version.job_id)

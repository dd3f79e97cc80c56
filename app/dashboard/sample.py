"""The sample project: made once from files that come with the program, filled by simulated annotators on request."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from sqlalchemy.orm import Session

from app import audit, queue
from app.dashboard import queries
from app.errors import Conflict
from app.exchange.reading import Reading
from app.exchange.service import import_rows
from app.models import Job, Project, ProjectStatus
from app.projects import queries as project_queries
from app.projects.definitions import AnswerSchema, Pairwise, Policy
from app.projects.service import create_project

FOLDER = Path(__file__).resolve().parent.parent / "projects" / "sample"


def create_sample(session: Session, *, actor_id: int | None) -> tuple[Project, bool]:
    """(the sample project, whether it was made just now). One is in use at a time, however often it is asked for."""
    queries.lock_sample(session)
    found = project_queries.sample_project(session)
    if found is not None:
        return found, False
    about = json.loads((FOLDER / "project.json").read_text("utf-8"))
    project = create_project(
        session,
        viewer_id=actor_id,
        name=about["name"],
        question=about["question"],
        language=about["language"],
        timezone="UTC",
        policy=Policy(overlap=about["overlap"], gold_rate=about["gold_rate"]),
        schema=AnswerSchema(
            overall=Pairwise(
                strength_steps=about["strength_steps"],
                allows_tie=about["allow_tie"],
                allows_both_bad=about["allow_both_bad"],
            ),
        ),
        guidelines=(FOLDER / about["guidelines"]).read_text("utf-8"),
        is_sample=True,
    )
    tasks = FOLDER / about["tasks"]
    import_rows(
        session,
        project_id=project.id,
        rows=Reading(tasks, tasks.name),
        filename=tasks.name,
        file_hash=hashlib.sha256(tasks.read_bytes()).hexdigest(),
        actor_id=actor_id,
    )
    return project, True


def fill_sample(session: Session, project: Project, *, actor_id: int) -> Job:
    """Ask for simulated annotators; while they are at work, asking again finds the same job.

    Only for a sample project that is active: in a real one simulated judgements would stand beside people's.
    """
    if not project.is_sample:
        raise Conflict("Only a sample project can be filled with simulated annotators.", code="not_a_sample")
    if project.status != ProjectStatus.ACTIVE:
        raise Conflict("This project hands out no work. Resume it first.", code="project_not_active")
    job = queue.enqueue(
        session,
        queue.Job.SIMULATE_ANNOTATORS,
        {"project_id": project.id},
        key=f"project-{project.id}",
        project_id=project.id,
        created_by_id=actor_id,
    )
    audit.record(session, "sample.fill", actor_id=actor_id, project_id=project.id, target=job)
    return job

"""Rows with sensible defaults; each call names only what matters to its test."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.models import (
    Annotator,
    AnnotatorKind,
    Assignment,
    DatasetVersion,
    GoldAnswer,
    GuidelineVersion,
    Job,
    JobState,
    Membership,
    OverlapReason,
    PolicyVersion,
    Project,
    Prompt,
    Response,
    Role,
    SchemaVersion,
    Task,
    TaskKind,
    TaskResponse,
    TrainingMetric,
    TrainingRun,
    User,
)
from app.projects.definitions import AnswerSchema, Policy, content_hash
from app.queue import Job as Kind

_number = itertools.count(1)
PASSWORD = "correct horse battery staple"


class Factory:
    def __init__(self, session: Session) -> None:
        self.session = session

    def _add(self, row: Any) -> Any:
        self.session.add(row)
        self.session.flush()
        return row

    def commit(self) -> None:
        self.session.commit()

    def user(self, *, is_instance_admin: bool = False, password_hash: str = "!", **values: Any) -> User:
        n = next(_number)
        user = self._add(
            User(
                **{"email": f"person{n}@example.org", "name": f"Person {n}", **values},
                is_instance_admin=is_instance_admin,
                password_hash=password_hash,
            )
        )
        self._add(Annotator(kind=AnnotatorKind.PERSON, pseudonym=f"quiet-heron-{n}", user_id=user.id))
        self.commit()
        return user

    def admin(self) -> User:
        return self.user(is_instance_admin=True)

    def annotator(self, user: User) -> Annotator:
        return self.session.scalars(sa.select(Annotator).where(Annotator.user_id == user.id)).one()

    def outside_annotator(self, project: Project, kind: AnnotatorKind = AnnotatorKind.IMPORTED) -> Annotator:
        n = next(_number)
        return self._add(Annotator(kind=kind, pseudonym=f"{kind}-{n}", project_id=project.id, external_id=f"w{n}"))

    def project(self, *, policy: Policy | None = None, schema: AnswerSchema | None = None, **values: Any) -> Project:
        n = next(_number)
        project = self._add(Project(**{"name": f"Project {n}", "question": "Which response is better?", **values}))
        for kind, definition in ((PolicyVersion, policy or Policy()), (SchemaVersion, schema or AnswerSchema())):
            body = definition.model_dump(mode="json")
            self._add(kind(project_id=project.id, number=1, definition=body, content_hash=content_hash(body)))
        self.guideline(project)
        self.commit()
        return project

    def guideline(self, project: Project, number: int = 1, body: str = "# Guidelines\n\nBe fair.") -> GuidelineVersion:
        return self._add(
            GuidelineVersion(
                project_id=project.id,
                number=number,
                body=body,
                content_hash=hashlib.sha256(body.encode()).hexdigest(),
                published_at=datetime.now(UTC),
            )
        )

    def member(self, project: Project, role: Role = Role.ANNOTATOR, user: User | None = None) -> User:
        user = user or self.user()
        self._add(Membership(project_id=project.id, user_id=user.id, role=role))
        self.commit()
        return user

    def task(
        self,
        project: Project,
        *,
        prompt: str | None = None,
        responses: tuple[str, ...] = ("The first response.", "The second response."),
        n_compared: int = 2,
        overlap: int = 3,
        gold: str | None = None,
        **values: Any,
    ) -> Task:
        """A task about the first `n_compared` of the responses."""
        n = next(_number)
        text = prompt or f"Prompt number {n}"
        prompt_row = self._add(
            Prompt(
                project_id=project.id,
                external_id=f"task-{n}",
                content={"text": text},
                content_hash=hashlib.sha256(f"{n} {text}".encode()).digest(),
                search_text=text,
            )
        )
        rows = [
            self._add(Response(prompt_id=prompt_row.id, position=i, text=body, model=f"model-{i}"))
            for i, body in enumerate(responses)
        ]
        task = self._add(
            Task(
                project_id=project.id,
                prompt_id=prompt_row.id,
                kind=TaskKind.GOLD if gold else TaskKind.REGULAR,
                n_target=overlap,
                queue_key=n,
                **values,
            )
        )
        for position, row in enumerate(rows[:n_compared]):
            self._add(TaskResponse(task_id=task.id, position=position, response_id=row.id))
        if gold:
            self._add(GoldAnswer(task_id=task.id, choice=gold, explanation="Because it is right."))
        self.commit()
        return task

    def assignment(self, task: Task, annotator: Annotator, **values: Any) -> Assignment:
        """An open lease, counted in the task as the desk would count it."""
        newest = {
            kind: self.session.scalars(
                sa.select(kind.id).where(kind.project_id == task.project_id).order_by(kind.id.desc())
            ).first()
            for kind in (PolicyVersion, SchemaVersion, GuidelineVersion)
        }
        defaults = {
            "public_id": uuid4(),
            "overlap_reason": OverlapReason.BASE,
            "is_swapped": False,
            "expires_at": datetime.now(UTC) + timedelta(minutes=30),
        }
        assignment = self._add(
            Assignment(
                project_id=task.project_id,
                task_id=task.id,
                annotator_id=annotator.id,
                policy_version_id=newest[PolicyVersion],
                schema_version_id=newest[SchemaVersion],
                guideline_version_id=newest[GuidelineVersion],
                **{**defaults, **values},
            )
        )
        task.n_leased += 1
        self.commit()
        return assignment

    def dataset(self, project: Project, *, number: int = 1, is_frozen: bool = True, **values: Any) -> DatasetVersion:
        """A version as it is once its job has ended, without files; `train_rows` of its rows are for training."""
        rows = values.pop("train_rows", 800)
        splits = {"train": {"rows": rows}, "held_out": {"rows": rows // 4}}
        frozen = {
            "content_hash": hashlib.sha256(f"{project.id} {number}".encode()).hexdigest(),
            "manifest": {"counts": {"rows": rows + rows // 4, "splits": splits}, "criteria": {"": rows}},
            "files": {},
            "frozen_at": datetime.now(UTC),
        }
        values = (frozen if is_frozen else {}) | values
        version = self._add(
            DatasetVersion(project_id=project.id, number=number, policy={}, policy_hash="0" * 64, **values)
        )
        self.commit()
        return version

    def training_run(
        self,
        project: Project,
        *,
        number: int = 1,
        state: JobState = JobState.QUEUED,
        dataset: DatasetVersion | None = None,
        job: dict[str, Any] | None = None,
        **values: Any,
    ) -> TrainingRun:
        """A run with its job in `state`; `job` are further values of the job's row."""
        dataset = dataset or self.dataset(project, number=1000 + next(_number))
        row = self._add(
            Job(
                kind=Kind.TRAIN,
                queue="train",
                payload={"number": number, "name": f"model {number}"},
                unique_key=f"train:{next(_number)}",
                project_id=project.id,
                state=state,
                **(job or {}),
            )
        )
        run = self._add(
            TrainingRun(
                **{
                    "name": f"model {number}",
                    "algorithm": "reward_model",
                    "options": {"model": "scratch"},
                    **values,
                },
                project_id=project.id,
                number=number,
                dataset_version_id=dataset.id,
                job_id=row.id,
            )
        )
        row.payload = {"run_id": run.id, **row.payload}
        self.commit()
        return run

    def measured(self, run: TrainingRun, step: int, *, kind: str = "step", attempt: int = 1, **values: Any) -> None:
        """One measurement of a run; those of a step have what each step reports."""
        usual = {"loss": 0.6, "accuracy": 0.7, "pairs_per_second": 12.5, "seconds_left": 60.0, "steps": 500}
        values = (usual if kind == "step" else {}) | values
        self._add(TrainingMetric(job_id=run.job_id, attempt=attempt, step=step, kind=kind, values=values))

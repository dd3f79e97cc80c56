from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from app.models import Annotation, Choice, OverlapReason, PolicyVersion, Role, SchemaVersion, Standing


@pytest.fixture
def project(make):
    return make.project()


@pytest.fixture
def admin(make, project):
    return make.member(project, Role.ADMIN)


@pytest.fixture
def reviewer(make, project):
    return make.member(project, Role.REVIEWER)


@pytest.fixture
def vote(db):
    """vote(task, annotator, ...): a judgement, counted in the task as the desk would count it."""

    def give(task, annotator, choice=Choice.FIRST, *, standing=Standing.COUNTED, supersedes=None, **values):
        newest = {
            kind: db.scalars(sa.select(kind.id).where(kind.project_id == task.project_id)).first()
            for kind in (PolicyVersion, SchemaVersion)
        }
        row = Annotation(
            **{
                "project_id": task.project_id,
                "task_id": task.id,
                "annotator_id": annotator.id,
                "choice": choice,
                "strength": 2 if choice in (Choice.FIRST, Choice.SECOND) else 0,
                "standing": standing,
                "overlap_reason": OverlapReason.BASE,
                "is_swapped": False,
                "policy_version_id": newest[PolicyVersion],
                "schema_version_id": newest[SchemaVersion],
                "submitted_at": datetime.now(UTC),
                "active_ms": 12_500,
                "supersedes_id": supersedes.id if supersedes else None,
                "revision": supersedes.revision + 1 if supersedes else 1,
                **values,
            }
        )
        db.add(row)
        if standing == Standing.COUNTED and supersedes is None:
            task.n_counted += 1
        db.commit()
        return row

    return give


@pytest.fixture
def few_are_many(monkeypatch):
    """The list counts to five and then walks, so that a handful of tasks goes the way of half a million."""
    monkeypatch.setattr("app.review.queries.listing.COUNT_LIMIT", 5)

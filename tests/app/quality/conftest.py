from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from app.domain.preferences import to_preferences
from app.models import (
    Annotation,
    Choice,
    GuidelineVersion,
    OverlapReason,
    PolicyVersion,
    Preference,
    Role,
    SchemaVersion,
    Standing,
    TaskResponse,
)

LABEL_CHOICES = {"A": Choice.FIRST, "B": Choice.SECOND, "tie": Choice.TIE, "both_bad": Choice.BOTH_BAD}


@pytest.fixture
def project(make):
    return make.project()


@pytest.fixture
def reviewer(make, project):
    return make.member(project, Role.REVIEWER)


@pytest.fixture
def vote(db):
    """vote(task, annotator, "A", ...): a judgement with its preference, as the desk would write it."""

    def give(task, annotator, label="A", *, guideline=1, supersedes=None, **values):
        newest = {
            kind: db.scalars(sa.select(kind.id).where(kind.project_id == task.project_id)).first()
            for kind in (PolicyVersion, SchemaVersion)
        }
        version = db.scalars(
            sa.select(GuidelineVersion.id).where(
                GuidelineVersion.project_id == task.project_id, GuidelineVersion.number == guideline
            )
        ).first()
        choice = LABEL_CHOICES[label]
        strength = 2 if label in "AB" else 0
        row = Annotation(
            **{
                "project_id": task.project_id,
                "task_id": task.id,
                "annotator_id": annotator.id,
                "choice": choice,
                "strength": strength,
                "standing": Standing.COUNTED,
                "overlap_reason": OverlapReason.BASE,
                "is_swapped": False,
                "policy_version_id": newest[PolicyVersion],
                "schema_version_id": newest[SchemaVersion],
                "guideline_version_id": version,
                "submitted_at": datetime.now(UTC),
                "supersedes_id": supersedes.id if supersedes else None,
                "revision": supersedes.revision + 1 if supersedes else 1,
                **values,
            }
        )
        db.add(row)
        db.flush()
        first, second = db.scalars(
            sa.select(TaskResponse.response_id).where(TaskResponse.task_id == task.id).order_by(TaskResponse.position)
        )
        canonical = to_preferences(choice.value, strength, first, second)
        db.add(
            Preference(
                annotation_id=row.id,
                low_response_id=canonical.low_response_id,
                high_response_id=canonical.high_response_id,
                signed_strength=canonical.signed_strength,
                strength_steps=3,
                is_both_bad=canonical.is_both_bad,
            )
        )
        db.flush()
        return row

    return give


@pytest.fixture
def crowd(make, project):
    """Three people of the project, as annotators."""
    return [make.annotator(make.member(project)) for _ in range(3)]

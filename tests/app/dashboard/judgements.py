"""Judgements as rows, for the numbers that the dashboard shows."""

from __future__ import annotations

import sqlalchemy as sa

from app.models import Annotation, AssignmentState, Choice, OverlapReason, PolicyVersion, SchemaVersion, Standing


def judge(make, task, annotator, *, at=None, supersedes=None, **values):
    """One counted judgement with its assignment; `supersedes` makes it a revision of another."""
    db = make.session
    if supersedes is None:
        assignment = make.assignment(task, annotator)
        assignment.state, assignment.closed_at = AssignmentState.SUBMITTED, assignment.expires_at
        task.n_leased -= 1
        task.n_counted += 1
        assignment_id = assignment.id
    else:
        assignment_id = supersedes.assignment_id
    newest = {
        kind: db.scalar(sa.select(sa.func.max(kind.id)).where(kind.project_id == task.project_id))
        for kind in (PolicyVersion, SchemaVersion)
    }
    row = Annotation(
        project_id=task.project_id,
        task_id=task.id,
        assignment_id=assignment_id,
        annotator_id=annotator.id,
        **{
            "choice": Choice.FIRST,
            "strength": 1,
            "standing": Standing.COUNTED,
            "overlap_reason": OverlapReason.BASE,
            **values,
        },
        schema_version_id=newest[SchemaVersion],
        policy_version_id=newest[PolicyVersion],
        revision=1 if supersedes is None else supersedes.revision + 1,
        supersedes_id=supersedes.id if supersedes is not None else None,
    )
    if at is not None:
        row.submitted_at = at
    db.add(row)
    db.commit()
    return row

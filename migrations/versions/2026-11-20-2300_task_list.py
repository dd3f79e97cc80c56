"""Indexes of the task list: its orders, its filters, and words looked up within one project.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

SCOPED_SEARCH = (
    "(search || array_to_tsvector(ARRAY[(chr(1) || 'project:') || project_id::text, "
    "(chr(1) || 'block:') || ((id / 1024)::text)]))"
)
ON_TASK = {
    "ix_task_project_id_prompt_id_id": ["project_id", "prompt_id", "id"],
    "ix_task_project_id_priority_id": ["project_id", "priority", "id"],
    "ix_task_project_id_progress_id": ["project_id", sa.text("(n_counted * 1000 / greatest(n_target, 1))"), "id"],
}


def upgrade() -> None:
    op.drop_index("ix_prompt_search", "prompt")
    op.create_index("ix_prompt_scoped_search", "prompt", [sa.text(SCOPED_SEARCH)], postgresql_using="gin")
    op.create_index("ix_prompt_batch_id_id", "prompt", ["batch_id", "id"])
    for name, columns in ON_TASK.items():
        op.create_index(name, "task", columns)
    for column in ("domain", "language"):
        op.create_index(
            f"ix_task_project_id_{column}",
            "task",
            ["project_id", column],
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    for name, condition in (("late", "standing = 'late'"), ("flagged", "is_flagged")):
        op.create_index(
            f"ix_annotation_{name}", "annotation", ["project_id", "task_id"], postgresql_where=sa.text(condition)
        )
    op.create_index("ix_audit_event_target_type_target_id_id", "audit_event", ["target_type", "target_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_audit_event_target_type_target_id_id", "audit_event")
    for name in ("flagged", "late"):
        op.drop_index(f"ix_annotation_{name}", "annotation")
    for name in ("language", "domain"):
        op.drop_index(f"ix_task_project_id_{name}", "task")
    for name in reversed(ON_TASK):
        op.drop_index(name, "task")
    op.drop_index("ix_prompt_batch_id_id", "prompt")
    op.drop_index("ix_prompt_scoped_search", "prompt")
    op.create_index("ix_prompt_search", "prompt", ["search"], postgresql_using="gin")

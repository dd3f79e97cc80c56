"""Handing out work: deadlines, authors, eligibility, quotas, leases held ahead, hidden repeats.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

WAITING = "status = 'open' AND kind = 'regular' AND n_counted + n_leased < n_target"
STARTED = sa.text("(n_counted + n_leased > 0) DESC")
LISTS = ("languages", "domains", "skills", "groups")
BROUGHT_BY_IMPORTS = """
UPDATE task SET own_overlap = n_target
WHERE EXISTS (SELECT FROM annotation WHERE annotation.task_id = task.id AND annotation.overlap_reason = 'imported')
"""


def upgrade() -> None:
    op.add_column("task", sa.Column("own_overlap", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("task", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(BROUGHT_BY_IMPORTS)
    op.drop_index("ix_task_queue", "task")
    op.create_index(
        "ix_task_queue",
        "task",
        ["project_id", sa.text("priority DESC"), "due_at", STARTED, "queue_key"],
        postgresql_where=sa.text(WAITING),
    )
    for table in ("prompt", "response"):
        op.add_column(table, sa.Column("author_id", sa.BigInteger(), nullable=True))
        op.create_foreign_key(op.f(f"fk_{table}_author_id"), table, "annotator", ["author_id"], ["id"])
    for name in LISTS:
        op.add_column(
            "membership",
            sa.Column(name, postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        )
    op.add_column("membership", sa.Column("daily_quota", sa.BigInteger(), nullable=True))
    op.add_column("membership", sa.Column("total_quota", sa.BigInteger(), nullable=True))
    op.add_column("membership", sa.Column("gold_rate", sa.Float(), nullable=True))
    op.add_column("assignment", sa.Column("slot", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))
    op.create_check_constraint(op.f("ck_assignment_few_slots"), "assignment", "slot BETWEEN 0 AND 4")
    op.drop_index("uq_assignment_one_open", "assignment")
    op.create_index(
        "uq_assignment_one_open",
        "assignment",
        ["project_id", "annotator_id", "slot"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "uq_assignment_retest",
        "assignment",
        ["task_id", "annotator_id"],
        unique=True,
        postgresql_where=sa.text("overlap_reason = 'retest'"),
    )
    op.create_index(
        "ix_annotation_own",
        "annotation",
        ["annotator_id", "project_id", "submitted_at"],
        postgresql_where=sa.text("supersedes_id IS NULL"),
    )
    _standings("counted", "late", "gold", "retest")


def downgrade() -> None:
    """Refused by the CHECK where repeats were judged: their votes would have no standing left."""
    _standings("counted", "late", "gold")
    op.drop_index("ix_annotation_own", "annotation")
    op.drop_index("uq_assignment_retest", "assignment")
    op.drop_index("uq_assignment_one_open", "assignment")
    op.create_index(
        "uq_assignment_one_open",
        "assignment",
        ["project_id", "annotator_id"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.drop_constraint(op.f("ck_assignment_few_slots"), "assignment", type_="check")
    op.drop_column("assignment", "slot")
    for name in ("gold_rate", "total_quota", "daily_quota", *reversed(LISTS)):
        op.drop_column("membership", name)
    for table in ("response", "prompt"):
        op.drop_constraint(op.f(f"fk_{table}_author_id"), table, type_="foreignkey")
        op.drop_column(table, "author_id")
    op.drop_index("ix_task_queue", "task")
    op.create_index(
        "ix_task_queue",
        "task",
        ["project_id", sa.text("priority DESC"), STARTED, "queue_key"],
        postgresql_where=sa.text(WAITING),
    )
    op.drop_column("task", "due_at")
    op.drop_column("task", "own_overlap")


def _standings(*names: str) -> None:
    allowed = ", ".join(f"'{name}'" for name in names)
    op.drop_constraint(op.f("ck_annotation_standing"), "annotation", type_="check")
    op.create_check_constraint(op.f("ck_annotation_standing"), "annotation", f"standing IN ({allowed})")

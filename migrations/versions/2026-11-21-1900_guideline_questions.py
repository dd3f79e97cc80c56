"""Questions about the guidelines and who has read them; how a person likes to read; warnings about content.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # Constant defaults: none of these rewrites its table.
    op.add_column("user", sa.Column("text_size", sa.String(), server_default="m", nullable=False))
    op.add_column("user", sa.Column("reading_width", sa.String(), server_default="m", nullable=False))
    op.add_column("user", sa.Column("motion", sa.String(), server_default="auto", nullable=False))
    op.add_column("user", sa.Column("covers_warned", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("project", sa.Column("content_warning", sa.String(), server_default="", nullable=False))
    op.add_column("guideline_version", sa.Column("is_major", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "guideline_reading",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("guideline_version_id", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["guideline_version_id"],
            ["guideline_version.id"],
            name=op.f("fk_guideline_reading_guideline_version_id"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_guideline_reading_user_id")),
        sa.PrimaryKeyConstraint("user_id", "guideline_version_id", name=op.f("pk_guideline_reading")),
    )
    op.create_table(
        "guideline_question",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("guideline_version_id", sa.BigInteger(), nullable=False),
        sa.Column("anchor", sa.String(), server_default="", nullable=False),
        sa.Column("clause", sa.String(), server_default="", nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("asked_by_id", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("answer", sa.String(), server_default="", nullable=False),
        sa.Column("answered_by_id", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_shared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_example", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint(
            "(answered_at IS NULL) = (answer = '')", name=op.f("ck_guideline_question_answer_has_its_time")
        ),
        sa.CheckConstraint(
            "answered_at IS NOT NULL OR NOT is_shared", name=op.f("ck_guideline_question_shared_when_answered")
        ),
        sa.CheckConstraint("is_shared OR NOT is_example", name=op.f("ck_guideline_question_example_is_shared")),
        sa.ForeignKeyConstraint(["answered_by_id"], ["user.id"], name=op.f("fk_guideline_question_answered_by_id")),
        sa.ForeignKeyConstraint(["asked_by_id"], ["user.id"], name=op.f("fk_guideline_question_asked_by_id")),
        sa.ForeignKeyConstraint(
            ["guideline_version_id"],
            ["guideline_version.id"],
            name=op.f("fk_guideline_question_guideline_version_id"),
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_guideline_question_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guideline_question")),
    )
    op.create_index("ix_guideline_question_project_id_id", "guideline_question", ["project_id", "id"])
    op.create_index(
        "ix_guideline_question_open",
        "guideline_question",
        ["project_id", "id"],
        postgresql_where=sa.text("answered_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("guideline_question")
    op.drop_table("guideline_reading")
    op.drop_column("guideline_version", "is_major")
    op.drop_column("project", "content_warning")
    for column in ("covers_warned", "motion", "reading_width", "text_size"):
        op.drop_column("user", column)

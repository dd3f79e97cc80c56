"""Kinds of judgement: schemas become one typed document, answers beyond a choice of two, preferences with their scale.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

OLD_SIDES = "(choice IN ('first', 'second')) = (strength > 0)"
NEW_SIDES = "coalesce(choice IN ('first', 'second'), false) = (strength > 0)"
ERASING = "SET LOCAL accord.may_erase = '{}'"
"""These rows are append-only; a change of their form is no change of what they say."""


def upgrade() -> None:
    op.execute(ERASING.format("on"))
    _rewrite_schemas(new_definition)
    op.add_column("preference", sa.Column("strength_steps", sa.SmallInteger(), nullable=True))
    op.execute(
        "UPDATE preference SET strength_steps = (s.definition->'overall'->>'strength_steps')::smallint "
        "FROM annotation a JOIN schema_version s ON s.id = a.schema_version_id WHERE a.id = preference.annotation_id"
    )
    op.alter_column("preference", "strength_steps", nullable=False)
    op.create_check_constraint(
        op.f("ck_preference_strength_in_scale"), "preference", "abs(signed_strength) <= strength_steps"
    )
    op.add_column(
        "annotation",
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("annotation", sa.Column("shown_order", postgresql.ARRAY(sa.SmallInteger()), nullable=True))
    op.alter_column("annotation", "choice", nullable=True)
    op.drop_constraint(op.f("ck_annotation_strength_of_a_side"), "annotation")
    op.create_check_constraint(op.f("ck_annotation_strength_of_a_side"), "annotation", NEW_SIDES)
    op.alter_column("response", "position", nullable=True)
    op.add_column("response", sa.Column("annotation_id", sa.BigInteger(), nullable=True))
    op.add_column("response", sa.Column("edited_from_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_response_annotation_id"), "response", "annotation", ["annotation_id"], ["id"])
    op.create_foreign_key(op.f("fk_response_edited_from_id"), "response", "response", ["edited_from_id"], ["id"])
    op.create_check_constraint(
        op.f("ck_response_imported_or_written"), "response", "(position IS NULL) = (annotation_id IS NOT NULL)"
    )
    op.create_index(
        "ix_response_annotation_id",
        "response",
        ["annotation_id"],
        postgresql_where=sa.text("annotation_id IS NOT NULL"),
    )
    op.execute(ERASING.format("off"))


def downgrade() -> None:
    """Only while nothing has been answered that the old form cannot hold."""
    op.execute(ERASING.format("on"))
    op.drop_index("ix_response_annotation_id", "response")
    op.drop_constraint(op.f("ck_response_imported_or_written"), "response")
    op.drop_column("response", "edited_from_id")
    op.drop_column("response", "annotation_id")
    op.alter_column("response", "position", nullable=False)
    op.drop_constraint(op.f("ck_annotation_strength_of_a_side"), "annotation")
    op.create_check_constraint(op.f("ck_annotation_strength_of_a_side"), "annotation", OLD_SIDES)
    op.alter_column("annotation", "choice", nullable=False)
    op.drop_column("annotation", "shown_order")
    op.drop_column("annotation", "answer")
    op.drop_constraint(op.f("ck_preference_strength_in_scale"), "preference")
    op.drop_column("preference", "strength_steps")
    _rewrite_schemas(old_definition)
    op.execute(ERASING.format("off"))


def _rewrite_schemas(written: Any) -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.text("SELECT id, definition FROM schema_version ORDER BY id")).all():
        body = written(row.definition)
        connection.execute(
            sa.text("UPDATE schema_version SET definition = cast(:body AS jsonb), content_hash = :hash WHERE id = :id"),
            {"id": row.id, "body": json.dumps(body), "hash": content_hash(body)},
        )


def new_definition(old: dict[str, Any]) -> dict[str, Any]:
    rationale = "required" if old["requires_rationale"] else "optional" if old["asks_rationale"] else "off"
    return {
        "overall": {
            "kind": "pairwise",
            "strength_steps": old["strength_steps"],
            "allows_tie": old["allows_tie"],
            "allows_both_bad": old["allows_both_bad"],
        },
        "criteria": [],
        "rationale": rationale,
        "tags": {"names": [], "per": "response"},
        "edit": "off",
        "demonstration": False,
    }


def old_definition(new: dict[str, Any]) -> dict[str, Any]:
    overall = new["overall"]
    if overall["kind"] != "pairwise":
        raise RuntimeError("A project asks for more than a choice of two, which the form before cannot say.")
    return {
        **{name: overall[name] for name in ("strength_steps", "allows_tie", "allows_both_bad")},
        "asks_rationale": new["rationale"] != "off",
        "requires_rationale": new["rationale"] == "required",
    }


def content_hash(definition: dict[str, Any]) -> str:
    canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app import audit
from app.database import after_commit, unit_of_work
from app.models import AuditEvent, GuidelineVersion


def test_what_is_registered_leaves_after_the_commit_and_once(db):
    left = []
    with unit_of_work() as session:
        after_commit(session, lambda: left.append("mail"))
        session.execute(sa.text("select 1"))
        assert left == []
    assert left == ["mail"]


def test_what_is_registered_dies_with_a_rollback(db):
    left = []

    def failing():
        with unit_of_work() as session:
            after_commit(session, lambda: left.append("mail"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    with unit_of_work() as session:
        session.execute(sa.text("select 1"))
    assert left == []


def test_a_callback_that_fails_does_not_undo_what_was_committed(db):
    left = []
    with unit_of_work() as session:
        after_commit(session, lambda: 1 / 0)
        after_commit(session, lambda: left.append("second"))
        audit.record(session, "test.done", actor_id=None)
    assert left == ["second"]
    assert db.scalar(sa.select(sa.func.count()).select_from(AuditEvent)) == 1


@pytest.mark.parametrize("statement", ["UPDATE audit_event SET action = 'x'", "DELETE FROM audit_event"])
def test_the_audit_trail_cannot_be_changed(db, statement):
    audit.record(db, "test.done", actor_id=None)
    db.commit()
    with pytest.raises(DBAPIError, match="append-only"):
        db.execute(sa.text(statement))


def test_a_published_guideline_cannot_be_changed_and_a_draft_can(db, make):
    project = make.project()
    draft = GuidelineVersion(project_id=project.id, body="draft", content_hash="x")
    db.add(draft)
    db.commit()
    draft.body = "another"
    db.commit()
    published = db.scalars(sa.select(GuidelineVersion).where(GuidelineVersion.number == 1)).one()
    published.body = "rewritten history"
    with pytest.raises(DBAPIError, match="append-only"):
        db.flush()


def test_the_role_of_the_program_is_no_superuser(db):
    row = db.execute(
        sa.text(
            "select rolsuper, pg_has_role(current_user, 'pg_execute_server_program', 'member')"
            " from pg_roles where rolname = current_user"
        )
    ).one()
    assert tuple(row) == (False, False)

"""The desk's deeds by the services, as tests of the slice tell them."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import sqlalchemy as sa

from app.annotation import handing_out, queries, service
from app.annotation.schemas import Judgement, Skip
from app.models import Annotation, Assignment, Task

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


class Clerk:
    """Hands out and takes in as a page would, with the clock and the dice in the test's hands."""

    def __init__(self, session, now=NOW, seed=1):
        self.session = session
        self.now = now
        self.dice = random.Random(seed)

    def next(self, project, annotator, **how):
        found = handing_out.next_assignment(
            self.session, project_id=project.id, annotator_id=annotator.id, dice=self.dice, now=self.now, **how
        )
        self.session.commit()
        return found

    def row(self, assignment):
        queries.lock_annotator(self.session, assignment.annotator_id)
        found = queries.assignment_row(self.session, assignment.public_id, lock=True)
        assert found is not None
        return found

    def submit(self, assignment, answer=-2, *, key="", **fields):
        taken = service.submit_annotation(
            self.session,
            row=self.row(assignment),
            judgement=Judgement(answer=answer, **fields),
            idempotency_key=key,
            actor_id=None,
            now=self.now,
        )
        self.session.commit()
        return taken

    def revise(self, assignment, answer, *, revision, key="", **fields):
        taken = service.revise_annotation(
            self.session,
            row=self.row(assignment),
            judgement=Judgement(answer=answer, **fields),
            revision=revision,
            idempotency_key=key,
            actor_id=None,
            now=self.now,
        )
        self.session.commit()
        return taken

    def skip(self, assignment, reason="unclear", note=""):
        service.skip_assignment(
            self.session, row=self.row(assignment), skip=Skip(reason=reason, note=note), actor_id=None, now=self.now
        )
        self.session.commit()

    def give_back(self, assignment):
        service.return_assignment(self.session, row=self.row(assignment), actor_id=None, now=self.now)
        self.session.commit()

    def beat(self, assignment):
        expires_at = service.keep_lease(self.session, row=self.row(assignment), now=self.now)
        self.session.commit()
        return expires_at

    def expire(self, project=None, **how):
        n = service.expire_leases(self.session, project_id=project.id if project else None, now=self.now, **how)
        self.session.commit()
        return n

    def counters(self, task):
        """(n_counted, n_leased, status) as the database has them."""
        row = self.session.execute(
            sa.select(Task.n_counted, Task.n_leased, Task.status).where(Task.id == task.id)
        ).one()
        return row[0], row[1], row[2].value

    def state(self, assignment):
        return self.session.scalar(sa.select(Assignment.state).where(Assignment.id == assignment.id)).value

    def annotations(self, **where):
        query = sa.select(Annotation).filter_by(**where).order_by(Annotation.id)
        return self.session.scalars(query).all()

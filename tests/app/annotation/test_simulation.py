import random

import pytest
import sqlalchemy as sa

from app import queue
from app.annotation import simulation
from app.annotation.simulation import Temper, draw_answer
from app.models import Annotation, Annotator, AnnotatorKind, Task, TaskKind
from app.projects.definitions import Pairwise, Policy

CAREFUL = Temper(accuracy=1.0, left_pull=0.0)


@pytest.fixture
def project(make, db):
    project = make.project(policy=Policy(overlap=2, gold_rate=0.1))
    for _ in range(8):
        make.task(project, overlap=2)
    make.task(project, gold="first")
    db.execute(sa.text("UPDATE response SET meta = jsonb_build_object('quality', 0.9 - 0.5 * position)"))
    db.commit()
    return project


def start(db, project, **payload):
    row = queue.enqueue(db, queue.Job.SIMULATE_ANNOTATORS, {"project_id": project.id, **payload})
    db.commit()
    return claimed(row)


def claimed(row):
    job = queue.claim(row.id)
    return job, queue.Reporter(job.id, job.attempt)


def votes(db):
    return db.scalars(sa.select(Annotation).order_by(Annotation.id)).all()


def test_they_judge_until_all_is_done_and_are_always_labelled(db, project):
    result = simulation.run(*start(db, project))
    counts = db.execute(
        sa.select(Task.n_counted, Task.n_leased, sa.func.count())
        .where(Task.kind == TaskKind.REGULAR)
        .group_by(Task.n_counted, Task.n_leased)
    ).all()
    assert [tuple(row) for row in counts] == [(2, 0, 8)]
    people = db.scalars(sa.select(Annotator).where(Annotator.project_id == project.id)).all()
    assert {one.kind for one in people} == {AnnotatorKind.SIMULATED}
    assert all(one.pseudonym.startswith("simulated-") for one in people)
    assert {vote.annotator_id for vote in votes(db)} <= {one.id for one in people}
    assert result["judgements"] == len(votes(db)) >= 16


def test_they_stop_at_the_number_asked_for(db, project):
    result = simulation.run(*start(db, project, votes=5, annotators=3))
    assert (result["judgements"], result["ended"], len(votes(db))) == (5, "enough", 5)


def test_a_second_attempt_goes_on_where_the_first_ended(db, project, monkeypatch):
    job, reporter = start(db, project, votes=9)
    real, left = simulation._judge_one, iter(range(4))

    def dies_after_four(*given):
        next(left)
        return real(*given)

    monkeypatch.setattr(simulation, "_judge_one", dies_after_four)
    with pytest.raises(StopIteration):
        simulation.run(job, reporter)
    monkeypatch.setattr(simulation, "_judge_one", real)
    assert len(votes(db)) == 4
    queue.release(job.id, job.attempt)
    result = simulation.run(*claimed(job))
    assert (result["judgements"], len(votes(db))) == (9, 9)


def test_it_stops_between_two_judgements_when_it_is_cancelled(db, project):
    job, reporter = start(db, project)
    queue.request_cancel(db, job.id)
    db.commit()
    with pytest.raises(queue.Cancelled):
        simulation.run(job, reporter)
    assert len(votes(db)) <= simulation.REPORT_EVERY
    assert db.scalar(sa.text("SELECT sum(n_leased) FROM task")) == 0


def test_a_worker_that_lost_its_job_writes_nothing(db, project):
    job, reporter = start(db, project)
    queue.release(job.id, job.attempt)
    claimed(job)
    with pytest.raises(queue.LostLease):
        simulation.run(job, reporter)
    assert votes(db) == []


def answers(left, right, temper=CAREFUL, asked=Pairwise(), n=4000):
    dice = random.Random(3)
    return [draw_answer(dice, left, right, temper=temper, asked=asked) for _ in range(n)]


def share(found, test):
    return sum(1 for answer in found if test(answer)) / len(found)


def test_the_better_response_wins_by_bradley_and_terry():
    """Without ties P(left) = 1 / (1 + exp(-6 * 0.3)) = .858; two points of the standard error are .011."""
    found = answers(0.8, 0.5, asked=Pairwise(allows_tie=False))
    assert share(found, lambda answer: answer < 0) == pytest.approx(0.858, abs=0.02)


def test_without_qualities_sides_are_tossed():
    found = answers(None, None, asked=Pairwise(allows_tie=False))
    assert share(found, lambda answer: answer < 0) == pytest.approx(0.5, abs=0.03)


def test_a_pull_to_the_left_shows_on_equal_responses():
    found = answers(0.5, 0.5, temper=Temper(accuracy=1.0, left_pull=1.0), asked=Pairwise(allows_tie=False))
    assert share(found, lambda answer: answer < 0) == pytest.approx(0.731, abs=0.03)


@pytest.mark.parametrize("asked", [Pairwise(strength_steps=1), Pairwise(strength_steps=3)])
def test_answers_stay_within_the_schema(asked):
    found = {answer for answer in answers(0.9, 0.1, asked=asked) if answer != "both_bad"}
    assert max(abs(answer) for answer in found) == asked.strength_steps


def test_two_bad_responses_are_both_bad_where_that_may_be_said():
    assert set(answers(0.1, 0.2, n=10)) == {"both_bad"}
    assert "both_bad" not in answers(0.1, 0.2, asked=Pairwise(allows_both_bad=False), n=50)

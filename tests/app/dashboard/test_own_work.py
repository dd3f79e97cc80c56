"""Home tells a person about their own work: what waits or why not, pace, time and consistency, in few statements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.models import Choice, OverlapReason, ProjectStatus, Role, TaskStatus
from app.projects import questions
from tests.app.dashboard.judgements import judge

NOW = datetime.now(UTC)
HOUR = 3_600_000


@pytest.fixture
def project(make):
    return make.project()


@pytest.fixture
def user(make, project):
    return make.member(project)


def own(browse, user):
    [found] = browse(user).get("/api/v1/me/work").json()["items"]
    return found


def judged(make, project, user, n, *, days_ago=0, minutes_each=1.0):
    for _ in range(n):
        judge(
            make,
            make.task(project),
            make.annotator(user),
            at=NOW - timedelta(days=days_ago, seconds=1 if days_ago else 0),
            active_ms=int(minutes_each * 60_000),
            idle_ms=30_000,
        )


def test_pace_and_times_are_ones_own(make, browse, project, user):
    other = make.member(project)
    judged(make, project, other, 12, minutes_each=0.1)
    judged(make, project, user, 10)
    for days_ago in (1, 2, 3):
        judged(make, project, user, 10, days_ago=days_ago, minutes_each=2)
    found = own(browse, user)
    assert (found["n_today"], found["n_total"]) == (10, 40)
    assert (found["active_minutes"], found["idle_minutes"]) == (10, 5)
    assert found["pace"] == {"today": 60.0, "usual": 30.0, "n_days": 3}
    page = browse(user).get("/").text
    assert "10 of 40 in all" in page
    assert "10 min at work, 5 min idle" in page
    assert "60 an hour at work" in page
    assert "30 an hour, the median of 3 days" in page


def test_with_little_to_go_by_the_page_says_so(make, browse, project, user):
    judged(make, project, user, 1)
    page = browse(user).get("/").text
    for words in ("not enough yet today", "not enough days yet", "not enough repeats yet"):
        assert words in page


def repeated(make, project, user, n, *, changed=0, days_ago=1):
    annotator = make.annotator(user)
    for number in range(n):
        task = make.task(project)
        judge(make, task, annotator, at=NOW - timedelta(days=days_ago + 1))
        again = Choice.SECOND if number < changed else Choice.FIRST
        reason = OverlapReason.RETEST
        task.n_leased += 1
        lease = make.assignment(task, annotator, overlap_reason=reason)
        row = judge_again(make, task, annotator, lease, again, days_ago)
        assert row.overlap_reason == reason


def judge_again(make, task, annotator, lease, choice, days_ago):
    """A hidden repeat: a second assignment of the same person on the same task."""
    from app.models import Annotation, AssignmentState, Standing

    lease.state, lease.closed_at = AssignmentState.SUBMITTED, lease.expires_at
    row = Annotation(
        project_id=task.project_id,
        task_id=task.id,
        assignment_id=lease.id,
        annotator_id=annotator.id,
        choice=choice,
        strength=1,
        standing=Standing.LATE,
        overlap_reason=OverlapReason.RETEST,
        schema_version_id=lease.schema_version_id,
        policy_version_id=lease.policy_version_id,
        submitted_at=NOW - timedelta(days=days_ago),
    )
    make.session.add(row)
    make.commit()
    return row


def test_consistency_is_an_estimate_over_hidden_repeats_until_yesterday(make, browse, project, user):
    repeated(make, project, user, 10, changed=2)
    found = own(browse, user)["consistency"]
    assert (found["value"], found["n"]) == (0.8, 10)
    assert found["low"] < 0.8 < found["high"]
    repeated(make, project, user, 3, changed=3, days_ago=0)  # today's would give away which task was the repeat
    assert own(browse, user)["consistency"]["n"] == 10
    assert "Same answer when asked again" in browse(user).get("/").text


def test_few_repeats_give_no_number(make, browse, project, user):
    repeated(make, project, user, 9)
    assert own(browse, user)["consistency"] is None


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("empty", "no_tasks"),
        ("done", "all_done"),
        ("leased", "others_at_work"),
        ("mine", "nothing_for_you"),
        ("paused", "paused"),
        ("waiting", None),
    ],
)
def test_home_says_why_nothing_waits(make, browse, db, project, user, state, reason):
    if state == "done":
        make.task(project, status=TaskStatus.DONE)
    elif state == "leased":
        make.assignment(make.task(project, overlap=1), make.annotator(make.member(project)))
    elif state == "mine":
        judge(make, make.task(project), make.annotator(user))
    elif state in ("waiting", "paused"):
        make.task(project)
    if state == "paused":
        project.status = ProjectStatus.PAUSED
    db.commit()
    assert own(browse, user)["nothing"] == reason
    if reason not in (None, "paused"):
        assert f'data-reason="{reason}"' in browse(user).get("/").text


def test_reviewers_see_the_questions_that_wait(make, browse, db, project, user):
    questions.ask(db, viewer_id=user.id, project=project, anchor="", text="Why?")
    db.commit()
    assert own(browse, make.member(project, Role.REVIEWER))["n_questions"] == 1
    assert own(browse, user)["n_questions"] == 0


def test_home_takes_as_many_statements_for_many_projects_as_for_one(make, browse, user, project, count_statements):
    judged(make, project, user, 2)
    client = browse(user)
    client.get("/")
    with count_statements() as one:
        client.get("/")
    for _ in range(4):
        further = make.project()
        make.member(further, user=user)
        judged(make, further, user, 1)
    with count_statements() as many:
        client.get("/")
    assert len(many) == len(one) <= 9, "\n".join(many)

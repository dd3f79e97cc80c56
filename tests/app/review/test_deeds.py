"""Deeds on tasks, alone and many at once: what they change, what they refuse, and the trail they leave."""

import os
import random
import re
import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import sessionmaker

from app.errors import Conflict, Invalid
from app.models import (
    Annotation,
    Assignment,
    AssignmentState,
    AuditEvent,
    Choice,
    GoldAnswer,
    ProjectStatus,
    Role,
    Standing,
    Task,
    TaskKind,
    TaskStatus,
)
from app.projects.definitions import Policy
from app.review import service
from app.review.schemas import BulkForm
from tests.app.annotation.desk import Clerk
from tests.support import servers
from tests.support.factories import Factory


@pytest.fixture
def task(make, project):
    return make.task(project, overlap=2)


def events(db, action):
    return db.scalars(sa.select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)).all()


def form_of(**values):
    return BulkForm.model_validate(values)


def apply(db, project, actor, **values):
    result = service.apply_bulk(db, project_id=project.id, form=form_of(**values), actor_id=actor.id)
    db.expire_all()
    return result


def test_priority_is_set_and_recorded(db, task, admin):
    service.set_priority(db, task, priority=77, actor_id=admin.id)
    db.refresh(task)
    assert task.priority == 77
    [event] = events(db, "task.set_priority")
    assert (event.actor_id, event.project_id, event.target_type, event.target_id) == (
        admin.id,
        task.project_id,
        "task",
        str(task.id),
    )
    assert event.detail == {"before": 0, "after": 77}


def test_tags_are_set_and_recorded(db, task, admin):
    service.set_tags(db, task, tags=["x", "y"], actor_id=admin.id)
    db.refresh(task)
    assert task.tags == ["x", "y"]
    assert events(db, "task.set_tags")[0].detail == {"before": [], "after": ["x", "y"]}


def test_requeue_opens_a_finished_task(db, make, task, project, admin, vote):
    for _ in range(2):
        vote(task, make.outside_annotator(project))
    task.status, task.done_at = TaskStatus.DONE, sa.func.now()
    db.commit()
    service.requeue(db, task, judgements=3, actor_id=admin.id)
    assert (task.n_target, task.n_counted, task.status, task.done_at) == (5, 2, TaskStatus.OPEN, None)
    assert events(db, "task.requeue")[0].detail == {"judgements": 3, "before": 2, "after": 5}


def test_requeue_has_an_end(db, task, admin):
    task.n_target = 990
    db.commit()
    with pytest.raises(Invalid):
        service.requeue(db, task, judgements=11, actor_id=admin.id)
    assert db.scalar(sa.select(Task.n_target).where(Task.id == task.id)) == 990


def test_requeue_refuses_gold_and_archived_tasks(db, make, project, admin):
    with pytest.raises(Conflict) as caught:
        service.requeue(db, make.task(project, gold="first"), judgements=1, actor_id=admin.id)
    assert caught.value.code == "is_gold"
    with pytest.raises(Conflict) as caught:
        service.requeue(db, make.task(project, status=TaskStatus.ARCHIVED), judgements=1, actor_id=admin.id)
    assert caught.value.code == "task_archived"


def test_archive_ends_open_leases(db, make, task, project, admin):
    lease = make.assignment(task, make.annotator(make.member(project)))
    service.archive(db, task, actor_id=admin.id)
    db.refresh(lease)
    assert (task.status, task.n_leased) == (TaskStatus.ARCHIVED, 0)
    assert lease.state == AssignmentState.RETURNED
    assert lease.closed_at is not None
    assert events(db, "task.archive")[0].detail == {"leases_returned": 1}


def test_a_deadline_ends_with_the_day_of_the_project(db, make, browse):
    project = make.project(timezone="Asia/Tokyo")
    admin = make.member(project, Role.ADMIN)
    ids = [make.task(project).id for _ in range(2)]
    assert apply(db, project, admin, deed="due", ids=ids, due="2027-03-01").changed == 2
    due = set(db.scalars(sa.select(Task.due_at).where(Task.id.in_(ids))))
    assert due == {datetime(2027, 3, 1, 15, 0, tzinfo=UTC)}
    assert "Due before" in browse(admin).get(f"/projects/{project.id}/tasks/{ids[0]}").text
    assert apply(db, project, admin, deed="due", ids=ids, due="").changed == 2
    assert set(db.scalars(sa.select(Task.due_at).where(Task.id.in_(ids)))) == {None}


def test_archiving_twice_is_one_deed(db, task, admin):
    service.archive(db, task, actor_id=admin.id)
    service.archive(db, task, actor_id=admin.id)
    assert len(events(db, "task.archive")) == 1


def test_restore_opens_what_is_unfinished_and_closes_what_is_not(db, make, project, admin, vote):
    unfinished = make.task(project, overlap=1, status=TaskStatus.ARCHIVED)
    finished = make.task(project, overlap=1, status=TaskStatus.ARCHIVED)
    vote(finished, make.outside_annotator(project))
    for each in (unfinished, finished):
        service.restore(db, each, actor_id=admin.id)
    assert (unfinished.status, finished.status) == (TaskStatus.OPEN, TaskStatus.DONE)
    service.restore(db, finished, actor_id=admin.id)
    assert len(events(db, "task.restore")) == 2


def test_marking_gold_and_back(db, task, admin):
    service.mark_gold(db, task, choice=Choice.TIE, explanation="Both say the same.", actor_id=admin.id)
    db.flush()
    assert task.kind == TaskKind.GOLD
    service.mark_gold(db, task, choice=Choice.FIRST, explanation="", actor_id=admin.id)
    db.flush()
    assert db.get(GoldAnswer, task.id).choice == "first"
    service.unmark_gold(db, task, actor_id=admin.id)
    db.commit()
    db.expire_all()
    assert (task.kind, task.n_target) == (TaskKind.REGULAR, 2)
    assert db.scalar(sa.select(sa.func.count()).select_from(GoldAnswer)) == 0
    assert [event.detail for event in events(db, "task.mark_gold")] == [
        {"before": None, "after": "tie"},
        {"before": "tie", "after": "first"},
    ]


def test_a_judged_task_does_not_turn_gold(db, make, task, project, admin, vote):
    vote(task, make.outside_annotator(project))
    with pytest.raises(Conflict) as caught:
        service.mark_gold(db, task, choice=Choice.FIRST, explanation="", actor_id=admin.id)
    assert caught.value.code == "has_votes"


def test_a_judged_gold_task_stays_gold(db, make, project, admin, vote):
    task = make.task(project, gold="first")
    vote(task, make.outside_annotator(project), standing=Standing.GOLD)
    with pytest.raises(Conflict) as caught:
        service.unmark_gold(db, task, actor_id=admin.id)
    assert caught.value.code == "has_votes"


def test_a_task_on_a_desk_does_not_turn_gold(db, make, task, project, admin):
    make.assignment(task, make.annotator(make.member(project)))
    with pytest.raises(Conflict) as caught:
        service.mark_gold(db, task, choice=Choice.FIRST, explanation="", actor_id=admin.id)
    assert caught.value.code == "is_leased"


@pytest.fixture
def many(make, project):
    return [make.task(project, tags=["even"] if i % 2 == 0 else ["odd"], domain="d") for i in range(6)]


def test_bulk_on_selected_tasks(db, make, project, admin, many):
    foreign = make.task(make.project())
    ids = [many[0].id, many[3].id, foreign.id, 10**15]
    result = apply(db, project, admin, deed="priority", ids=ids, priority="5")
    assert (result.matched, result.changed) == (2, 2)
    assert [task.priority for task in many] == [5, 0, 0, 5, 0, 0]
    assert foreign.priority == 0
    assert [event.target_id for event in events(db, "task.priority")] == [str(many[0].id), str(many[3].id)]
    again = apply(db, project, admin, deed="priority", ids=ids, priority=5)
    assert (again.matched, again.changed) == (2, 0)


def test_bulk_on_all_that_match(db, project, admin, many):
    wanted = {"scope": "matching", "filter": {"tag": "odd"}, "expected": 3}
    assert apply(db, project, admin, deed="add_tag", tag="late lunch", **wanted).changed == 3
    assert apply(db, project, admin, deed="requeue", judgements=2, **wanted).changed == 3
    assert apply(db, project, admin, deed="remove_tag", tag="odd", **wanted).changed == 3
    assert [task.tags for task in many[:2]] == [["even"], ["late lunch"]]
    assert [task.n_target for task in many[:2]] == [3, 5]
    [event] = events(db, "tasks.requeue")
    assert event.detail == {"filter": {"tag": "odd"}, "matched": 3, "changed": 3, "judgements": 2}


def test_bulk_archive_of_tasks_on_desks(db, make, project, admin, many):
    """The filter says "on a desk", and the deed takes them off it: each is archived all the same."""
    leases = [make.assignment(task, make.annotator(make.member(project))) for task in many[:3]]
    result = apply(db, project, admin, deed="archive", scope="matching", filter={"status": "leased"})
    assert (result.matched, result.changed) == (3, 3)
    assert [task.status for task in many] == [TaskStatus.ARCHIVED] * 3 + [TaskStatus.OPEN] * 3
    assert [task.n_leased for task in many] == [0] * 6
    assert {lease.state for lease in leases} == {AssignmentState.RETURNED}
    assert apply(db, project, admin, deed="restore", scope="matching", filter={"status": "archived"}).changed == 3


def test_bulk_does_nothing_when_the_number_has_moved(db, make, project, admin, many):
    make.task(project, tags=["odd"])
    with pytest.raises(Conflict) as caught:
        apply(db, project, admin, deed="archive", scope="matching", filter={"tag": "odd"}, expected=3)
    assert caught.value.code == "count_changed"
    assert {task.status for task in many} == {TaskStatus.OPEN}
    assert events(db, "tasks.archive") == []


@pytest.mark.parametrize(
    "values",
    [
        {"deed": "archive", "ids": []},
        {"deed": "priority", "ids": [1]},
        {"deed": "priority", "ids": [1], "priority": 101},
        {"deed": "requeue", "ids": [1], "judgements": 0},
        {"deed": "add_tag", "ids": [1], "tag": "  "},
        {"deed": "add_tag", "ids": [1], "tag": "x" * 65},
        {"deed": "explode", "ids": [1]},
        {"deed": "archive", "ids": list(range(1, 502))},
        {"deed": "archive", "scope": "everything"},
    ],
)
def test_bulk_refuses(values):
    with pytest.raises(ValueError, match="validation error"):
        form_of(**values)


PAGES = {
    "priority": {"priority": "3"},
    "tags": {"tags": "one, two"},
    "requeue": {"judgements": "1"},
    "archive": {},
    "restore": {},
    "gold": {"choice": "first"},
    "gold/remove": {},
}


@pytest.mark.parametrize("deed", PAGES)
def test_each_deed_on_its_page(browse, db, make, project, admin, deed):
    task = make.task(project, **({"status": TaskStatus.ARCHIVED} if deed == "restore" else {}))
    if deed == "gold/remove":
        task = make.task(project, gold="first")
    client, address = browse(admin), f"/projects/{project.id}/tasks/{task.id}"
    before = db.scalar(sa.select(sa.func.count()).select_from(AuditEvent))
    answer = client.post(f"{address}/{deed}", data=PAGES[deed])
    assert answer.status_code == 303, answer.text
    assert db.scalar(sa.select(sa.func.count()).select_from(AuditEvent)) == before + 1
    shown = client.get(answer.headers["location"])
    assert shown.status_code == 200
    assert "data-toast" in shown.text.split('id="toast-template"')[0]


@pytest.mark.parametrize("deed", PAGES)
def test_who_may_do_what(browse, db, make, project, task, admin, reviewer, deed):
    annotator, stranger = make.member(project, Role.ANNOTATOR), make.user()
    address = f"/projects/{project.id}/tasks/{task.id}/{deed}"
    statuses = [browse(user).post(address, data=PAGES[deed]).status_code for user in (stranger, annotator, reviewer)]
    assert statuses == [404, 403, 403]
    foreign = make.task(make.project())
    assert browse(admin).post(f"/projects/{project.id}/tasks/{foreign.id}/{deed}", data=PAGES[deed]).status_code == 404
    project.status = ProjectStatus.ARCHIVED
    db.commit()
    assert browse(admin).post(address, data=PAGES[deed]).status_code == 409
    assert db.scalar(sa.select(sa.func.count()).select_from(AuditEvent)) == 0


@pytest.mark.parametrize("deed", PAGES)
def test_without_a_token_nothing_happens(browse, db, project, task, admin, deed):
    client = browse(admin)
    del client.headers["X-CSRF-Token"]
    assert client.post(f"/projects/{project.id}/tasks/{task.id}/{deed}", data=PAGES[deed]).status_code == 403
    assert db.scalar(sa.select(sa.func.count()).select_from(AuditEvent)) == 0


@pytest.mark.parametrize(
    ("deed", "data"),
    [
        ("priority", {"priority": "101"}),
        ("priority", {"priority": ""}),
        ("priority", {"priority": "high"}),
        ("requeue", {"judgements": "0"}),
        ("tags", {"tags": "x" * 90}),
        ("gold", {"choice": "neither"}),
        ("gold", {}),
    ],
)
def test_a_refused_form_comes_back_with_what_was_typed(browse, db, project, task, admin, deed, data):
    page = browse(admin).post(f"/projects/{project.id}/tasks/{task.id}/{deed}", data=data)
    assert page.status_code == 422
    assert 'class="field-error"' in page.text
    typed = next(iter(data.values()), "")
    assert not typed or deed == "gold" or f'value="{typed}"' in page.text
    assert db.scalar(sa.select(sa.func.count()).select_from(AuditEvent)) == 0


def test_many_at_once_through_the_pages(browse, db, project, admin, many):
    client, base = browse(admin), f"/projects/{project.id}/tasks"
    form = {
        "scope": "selected",
        "deed": "add_tag",
        "tag": "picked",
        "ids": [many[0].id, many[1].id],
        "filter_tag": "even",
    }
    page = client.post(f"{base}/bulk", data=form)
    assert page.status_code == 200
    assert "Change 2 tasks" in page.text
    assert db.scalar(sa.select(sa.func.count()).select_from(AuditEvent)) == 0
    answer = client.post(f"{base}/bulk/apply", data=form | {"expected": 2})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{base}?tag=even&changed=2")
    assert "2 tasks were changed." in client.get(answer.headers["location"]).text
    db.expire_all()
    assert [task.tags for task in many[:3]] == [["even", "picked"], ["odd", "picked"], ["even"]]


def test_all_that_match_through_the_pages(browse, db, make, project, admin, many):
    client, base = browse(admin), f"/projects/{project.id}/tasks"
    form = {"scope": "matching", "deed": "archive", "filter_tag": "odd", "priority": "", "judgements": "", "tag": ""}
    page = client.post(f"{base}/bulk", data=form)
    assert "Change 3 tasks" in page.text
    make.task(project, tags=["odd"])
    again = client.post(f"{base}/bulk/apply", data=form | {"expected": 3})
    assert again.status_code == 409
    assert "Change 4 tasks" in again.text
    assert client.post(f"{base}/bulk/apply", data=form | {"expected": 4}).status_code == 303
    db.expire_all()
    assert sum(task.status == TaskStatus.ARCHIVED for task in many) == 3


def test_a_bulk_form_without_its_value_comes_back(browse, project, admin, many):
    form = {"scope": "selected", "deed": "priority", "priority": "", "ids": [many[0].id], "filter_tag": "even"}
    page = browse(admin).post(f"/projects/{project.id}/tasks/bulk", data=form)
    assert page.status_code == 422
    assert "Give a value for priority" in page.text
    assert re.search(rf'value="{many[0].id}"\s+aria-label="Select task', page.text)
    assert " checked" in page.text


@pytest.fixture
def own_database(database_url):
    """Sessions on a database of this test's own, where commits are commits."""
    url = servers.create_database(f"accord_review_{os.getpid()}")
    engine = sa.create_engine(url, pool_size=8)
    yield sessionmaker(engine, expire_on_commit=False)
    engine.dispose()
    servers.drop_database(url)


def disagreements(session):
    """Tasks whose counters do not say what their leases and votes say."""
    is_open, is_counted = Assignment.state == AssignmentState.OPEN, Annotation.standing == Standing.COUNTED
    n_open = sa.select(sa.func.count()).where(Assignment.task_id == Task.id, is_open).scalar_subquery()
    n_votes = sa.select(sa.func.count()).where(Annotation.task_id == Task.id, is_counted).scalar_subquery()
    is_wrong = sa.or_(Task.n_leased != n_open, Task.n_counted != n_votes, Task.n_counted > Task.n_target)
    return session.execute(sa.select(Task.id, Task.n_leased, n_open, Task.n_counted, n_votes).where(is_wrong)).all()


@pytest.mark.integrity
def test_archiving_while_others_judge(own_database):  # noqa: C901 - four people and an admin, side by side
    """Tasks are archived in bulk while people take, judge, skip and give back: no deadlock, and every count agrees."""
    with own_database() as session:
        make = Factory(session)
        admin, project = make.admin(), make.project(policy=Policy(overlap=3, gold_rate=0.0))
        for _ in range(25):
            make.task(project)
        people = [make.annotator(make.member(project)) for _ in range(4)]
    errors = []

    def judge(annotator):
        dice = random.Random(annotator.id)
        with own_database() as session:
            clerk = Clerk(session, now=datetime.now(UTC), seed=annotator.id)
            for _ in range(30):
                lease = clerk.next(project, annotator)
                if isinstance(lease, Assignment):
                    dice.choice((clerk.submit, clerk.submit, clerk.skip, clerk.give_back))(lease)

    def tidy():
        for deed, status in [("archive", "leased"), ("restore", "archived")] * 15:
            with own_database() as session:
                form = form_of(deed=deed, scope="matching", filter={"status": status})
                service.apply_bulk(session, project_id=project.id, form=form, actor_id=admin.id)
                session.commit()

    def noting(work, *arguments):
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must show it
            errors.append(error)

    threads = [threading.Thread(target=noting, args=(judge, person)) for person in people]
    threads.append(threading.Thread(target=noting, args=(tidy,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    with own_database() as session:
        assert disagreements(session) == []
        assert session.scalar(sa.select(sa.func.sum(Task.n_counted))) > 10

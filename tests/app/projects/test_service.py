"""Projects and their versions: create, change, overlap, pause, archive; each on the real database."""

from __future__ import annotations

import hashlib

import pytest
import sqlalchemy as sa

from app.errors import Conflict, NotFound
from app.models import (
    AuditEvent,
    GuidelineVersion,
    Membership,
    PolicyVersion,
    Project,
    ProjectStatus,
    Role,
    SchemaVersion,
    Task,
    TaskStatus,
)
from app.projects import queries, service
from app.projects.definitions import AnswerSchema, Pairwise, Policy


def create(db, viewer_id, **values):
    return service.create_project(
        db,
        viewer_id=viewer_id,
        **{
            "name": "Helpfulness",
            "question": "Which response is better?",
            "language": "en",
            "timezone": "Europe/Berlin",
            "policy": Policy(overlap=2),
            "schema": AnswerSchema(),
            **values,
        },
    )


def actions(db, project):
    return list(
        db.scalars(sa.select(AuditEvent.action).where(AuditEvent.project_id == project.id).order_by(AuditEvent.id))
    )


def change_overlap(db, admin, project, overlap):
    service.change_policy(db, viewer_id=admin.id, project_id=project.id, policy=Policy(overlap=overlap))
    db.expire_all()


@pytest.fixture
def admin(make):
    return make.admin()


@pytest.fixture
def project(db, admin):
    return create(db, admin.id)


def test_a_new_project_has_first_versions_and_its_creator_as_admin(db, admin, project):
    assert queries.current_policy(db, project.id)[1] == Policy(overlap=2)
    assert queries.current_schema(db, project.id)[1] == AnswerSchema()
    assert queries.current_guideline(db, project.id) is None
    role = db.scalar(sa.select(Membership.role).where(Membership.project_id == project.id))
    assert role == Role.ADMIN
    assert actions(db, project) == ["project.create"]


def test_guidelines_given_at_creation_are_version_one(db, admin):
    project = create(db, admin.id, guidelines="# Be fair")
    version = queries.current_guideline(db, project.id)
    assert (version.number, version.body, version.published_by_id) == (1, "# Be fair", admin.id)
    assert version.content_hash == hashlib.sha256(b"# Be fair").hexdigest()


def test_the_command_line_makes_a_project_without_a_member(db):
    project = create(db, None, guidelines="# Be fair")
    assert db.scalar(sa.select(sa.func.count()).where(Membership.project_id == project.id)) == 0


def test_details_change_and_the_trail_keeps_both_states(db, admin, project):
    service.update_details(
        db,
        viewer_id=admin.id,
        project_id=project.id,
        name="Harmlessness",
        question=project.question,
        language="de",
        timezone=project.timezone,
    )
    assert (project.name, project.language) == ("Harmlessness", "de")
    event = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "project.change")).one()
    assert event.detail["before"] == {"name": "Helpfulness", "language": "en"}
    assert event.detail["after"] == {"name": "Harmlessness", "language": "de"}


def test_details_that_say_the_same_leave_no_trace(db, admin, project):
    same = {name: getattr(project, name) for name in ("name", "question", "language", "timezone")}
    service.update_details(db, viewer_id=admin.id, project_id=project.id, **same)
    assert actions(db, project) == ["project.create"]


def test_a_policy_that_says_the_same_makes_no_version(db, admin, project):
    before, _ = queries.current_policy(db, project.id)
    after, policy = service.change_policy(db, viewer_id=admin.id, project_id=project.id, policy=Policy(overlap=2))
    assert (after, policy) == (before, Policy(overlap=2))


def test_a_new_policy_is_appended_and_holds(db, admin, project):
    wanted = Policy(overlap=2, lease_minutes=10)
    version_id, _ = service.change_policy(db, viewer_id=admin.id, project_id=project.id, policy=wanted)
    assert queries.current_policy(db, project.id) == (version_id, wanted)
    numbers = db.scalars(sa.select(PolicyVersion.number).where(PolicyVersion.project_id == project.id))
    assert sorted(numbers) == [1, 2]
    event = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "policy.change")).one()
    assert event.detail == {"number": 2, "before": {"lease_minutes": 30}, "after": {"lease_minutes": 10}}


def test_a_new_schema_is_appended_and_the_same_is_not(db, admin, project):
    wanted = AnswerSchema(overall=Pairwise(allows_tie=False))
    for _ in range(2):
        version_id, _schema = service.change_schema(db, viewer_id=admin.id, project_id=project.id, schema=wanted)
    assert queries.current_schema(db, project.id) == (version_id, wanted)
    numbers = db.scalars(sa.select(SchemaVersion.number).where(SchemaVersion.project_id == project.id))
    assert sorted(numbers) == [1, 2]


@pytest.mark.parametrize("kind", [PolicyVersion, SchemaVersion])
def test_versions_of_policy_and_schema_cannot_be_edited(db, project, kind):
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), db.begin_nested():
        db.execute(sa.update(kind).where(kind.project_id == project.id).values(number=7))


def test_raising_the_overlap_reopens_done_tasks_and_lifts_open_ones(db, admin, project, make):
    done = make.task(project, overlap=2, n_counted=2, status=TaskStatus.DONE, done_at=sa.func.now())
    untouched = make.task(project, overlap=2)
    change_overlap(db, admin, project, 4)
    assert (done.n_target, done.status, done.done_at) == (4, TaskStatus.OPEN, None)
    assert (untouched.n_target, untouched.status) == (4, TaskStatus.OPEN)


def test_lowering_the_overlap_closes_what_has_enough_and_never_drops_under_what_is_counted(db, admin, project, make):
    change_overlap(db, admin, project, 5)
    has_enough = make.task(project, overlap=5, n_counted=3)
    has_just_enough = make.task(project, overlap=5, n_counted=2)
    waits = make.task(project, overlap=5, n_counted=1, n_leased=1)
    change_overlap(db, admin, project, 2)
    assert (has_enough.n_target, has_enough.status, has_enough.done_at is not None) == (3, TaskStatus.DONE, True)
    assert (has_just_enough.n_target, has_just_enough.status) == (2, TaskStatus.DONE)
    assert (waits.n_target, waits.status, waits.n_leased) == (2, TaskStatus.OPEN, 1)


def test_another_overlap_remembers_what_imports_and_people_asked_for(db, admin, project, make):
    change_overlap(db, admin, project, 3)
    imported = make.task(project, overlap=4, own_overlap=4, n_counted=2)
    raised = make.task(project, overlap=5, n_counted=3)
    change_overlap(db, admin, project, 2)
    assert (imported.n_target, imported.status) == (4, TaskStatus.OPEN)
    assert (raised.n_target, raised.status) == (5, TaskStatus.OPEN)
    change_overlap(db, admin, project, 6)
    assert (imported.n_target, raised.n_target) == (6, 6)


def test_a_done_task_with_more_than_the_new_overlap_stays_done(db, admin, project, make):
    task = make.task(project, overlap=5, n_counted=5, status=TaskStatus.DONE, done_at=sa.func.now())
    done_at = task.done_at
    change_overlap(db, admin, project, 4)
    assert (task.n_target, task.status, task.done_at) == (5, TaskStatus.DONE, done_at)


def test_a_lease_stays_when_its_task_closes(db, admin, project, make):
    task = make.task(project, overlap=2, n_counted=1)
    make.assignment(task, make.annotator(make.member(project)))
    change_overlap(db, admin, project, 1)
    assert (task.status, task.n_leased, task.n_target) == (TaskStatus.DONE, 1, 1)


def test_overlap_never_touches_gold_other_projects_or_the_state_of_archived_tasks(db, admin, project, make):
    gold = make.task(project, overlap=1, gold="first", n_counted=1)
    elsewhere = make.task(make.project(), overlap=2)
    archived = make.task(project, overlap=2, n_counted=1, status=TaskStatus.ARCHIVED)
    change_overlap(db, admin, project, 4)
    assert (gold.n_target, gold.status) == (1, TaskStatus.OPEN)
    assert elsewhere.n_target == 2
    assert (archived.n_target, archived.status) == (4, TaskStatus.ARCHIVED)
    event = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "policy.change")).one()
    assert event.detail["tasks_changed"] == 1


def test_a_policy_without_another_overlap_leaves_the_tasks_alone(db, admin, project, make):
    imported = make.task(project, overlap=6, n_counted=6, status=TaskStatus.DONE)
    wanted = Policy(overlap=2, edit_hours=1)
    service.change_policy(db, viewer_id=admin.id, project_id=project.id, policy=wanted)
    assert db.scalar(sa.select(Task.n_target).where(Task.id == imported.id)) == 6


def test_pause_and_resume_are_flags_that_may_be_set_twice(db, admin, project):
    for verb, status in (
        (service.pause, ProjectStatus.PAUSED),
        (service.pause, ProjectStatus.PAUSED),
        (service.resume, ProjectStatus.ACTIVE),
    ):
        assert verb(db, viewer_id=admin.id, project_id=project.id).status == status
    assert actions(db, project) == ["project.create", "project.pause", "project.resume"]


def test_an_archived_project_refuses_every_change_until_it_is_restored(db, admin, project):
    assert service.archive(db, viewer_id=admin.id, project_id=project.id).archived_at is not None
    who = {"viewer_id": admin.id, "project_id": project.id}
    details = {"name": "x", "question": "y", "language": "en", "timezone": "UTC"}
    for refused in (
        lambda: service.update_details(db, **who, **details),
        lambda: service.change_policy(db, **who, policy=Policy(overlap=9)),
        lambda: service.change_schema(db, **who, schema=AnswerSchema(overall=Pairwise(allows_tie=False))),
        lambda: service.pause(db, **who),
        lambda: service.resume(db, **who),
        lambda: service.save_draft(db, **who, body="x", seen_at=None),
        lambda: service.publish_guideline(db, **who, seen_at=None),
        lambda: service.discard_draft(db, **who),
    ):
        with pytest.raises(Conflict, match="archived"):
            refused()
    restored = service.restore(db, **who)
    assert (restored.status, restored.archived_at) == (ProjectStatus.PAUSED, None)


def test_what_is_not_archived_cannot_be_restored(db, admin, project):
    with pytest.raises(Conflict, match="not archived"):
        service.restore(db, viewer_id=admin.id, project_id=project.id)


def test_a_project_that_is_not_there_is_not_found(db, admin):
    with pytest.raises(NotFound):
        service.pause(db, viewer_id=admin.id, project_id=999_999_999)


def save(db, admin, project, body, seen_at=None):
    return service.save_draft(db, viewer_id=admin.id, project_id=project.id, body=body, seen_at=seen_at)


def test_a_draft_is_written_again_by_who_saw_it_last(db, admin, project):
    first = save(db, admin, project, "one")
    seen_at = first.updated_at
    second = save(db, admin, project, "two", seen_at)
    assert second.body == "two"
    assert second.updated_at > seen_at
    assert db.scalar(sa.select(sa.func.count()).where(GuidelineVersion.project_id == project.id)) == 1


def test_a_draft_that_changed_meanwhile_is_not_written_over(db, admin, project):
    seen_at = save(db, admin, project, "one").updated_at
    save(db, admin, project, "theirs", seen_at)
    with pytest.raises(service.DraftConflict) as refused:
        save(db, admin, project, "mine", seen_at)
    assert refused.value.theirs.body == "theirs"
    assert queries.draft(db, project.id).body == "theirs"


def test_two_people_cannot_both_start_the_draft(db, admin, project):
    save(db, admin, project, "theirs")
    with pytest.raises(service.DraftConflict):
        save(db, admin, project, "mine", None)


def test_saving_the_same_text_twice_is_no_conflict(db, admin, project):
    save(db, admin, project, "one")
    assert save(db, admin, project, "one", None).body == "one"


def test_a_draft_published_meanwhile_is_a_conflict_without_another_text(db, admin, project):
    seen_at = save(db, admin, project, "one").updated_at
    service.publish_guideline(db, viewer_id=admin.id, project_id=project.id, seen_at=seen_at)
    with pytest.raises(service.DraftConflict) as refused:
        save(db, admin, project, "two", seen_at)
    assert refused.value.theirs is None


def publish(db, admin, project, body, note=""):
    draft = save(db, admin, project, body)
    return service.publish_guideline(
        db, viewer_id=admin.id, project_id=project.id, seen_at=draft.updated_at, change_note=note
    )


def test_publishing_counts_up_and_keeps_every_version(db, admin, project):
    publish(db, admin, project, "one")
    second = publish(db, admin, project, "two", note="Ties explained")
    assert (second.number, second.change_note, second.published_by_id) == (2, "Ties explained", admin.id)
    assert queries.current_guideline(db, project.id).body == "two"
    assert queries.guideline_number(db, project.id, 1).body == "one"
    listed = queries.guideline_versions(db, project.id)
    assert [(version.number, version.publisher) for version in listed] == [(2, admin.name), (1, admin.name)]
    assert queries.draft(db, project.id) is None


def test_only_the_draft_that_was_seen_is_published(db, admin, project):
    seen_at = save(db, admin, project, "one").updated_at
    save(db, admin, project, "two", seen_at)
    with pytest.raises(service.DraftConflict) as refused:
        service.publish_guideline(db, viewer_id=admin.id, project_id=project.id, seen_at=seen_at)
    assert refused.value.theirs.body == "two"
    with pytest.raises(service.DraftConflict):
        service.publish_guideline(db, viewer_id=admin.id, project_id=make_other(db, admin).id, seen_at=seen_at)


def make_other(db, admin):
    return create(db, admin.id, name="Another")


@pytest.mark.parametrize("body", ["", "  \n\t"])
def test_empty_guidelines_are_not_published(db, admin, project, body):
    with pytest.raises(service.Invalid, match="cannot be empty"):
        publish(db, admin, project, body)


def test_guidelines_that_say_the_same_are_not_published_again(db, admin, project):
    publish(db, admin, project, "one")
    with pytest.raises(service.Invalid, match="the same as version 1"):
        publish(db, admin, project, "one")


@pytest.mark.parametrize(
    "change",
    [
        sa.update(GuidelineVersion).values(body="forged"),
        sa.update(GuidelineVersion).values(published_at=None, number=None),
        sa.delete(GuidelineVersion),
    ],
    ids=["edit", "unpublish", "delete"],
)
def test_the_database_refuses_any_change_of_a_published_version(db, admin, project, change):
    version = publish(db, admin, project, "one")
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), db.begin_nested():
        db.execute(change.where(GuidelineVersion.id == version.id))


def test_a_draft_can_be_thrown_away_and_the_versions_stay(db, admin, project):
    publish(db, admin, project, "one")
    save(db, admin, project, "two")
    for _ in range(2):
        service.discard_draft(db, viewer_id=admin.id, project_id=project.id)
    assert queries.draft(db, project.id) is None
    assert queries.current_guideline(db, project.id).body == "one"
    assert actions(db, project).count("guideline.discard_draft") == 1


def test_lists_show_a_persons_projects_with_their_role(db, make):
    mine, other = make.project(), make.project()
    reviewer = make.member(mine, Role.REVIEWER)
    assert queries.projects_of(db, viewer_id=reviewer.id, sees_all=False) == [(mine, Role.REVIEWER)]
    found = queries.projects_of(db, viewer_id=make.admin().id, sees_all=True)
    assert {(other.id, Role.ADMIN), (mine.id, Role.ADMIN)} <= {(project.id, role) for project, role in found}


def test_lists_are_paged_by_the_lowest_id_shown_and_tell_archived_ones_apart(db, make):
    user = make.user()
    projects = [make.project() for _ in range(3)]
    for project in projects:
        make.member(project, user=user)
    db.execute(sa.update(Project).where(Project.id == projects[0].id).values(status=ProjectStatus.ARCHIVED))
    shown = queries.projects_of(db, viewer_id=user.id, sees_all=False, limit=2)
    assert [project.id for project, _ in shown] == [projects[2].id, projects[1].id]
    rest = queries.projects_of(db, viewer_id=user.id, sees_all=False, before=projects[1].id)
    assert [project.id for project, _ in rest] == [projects[0].id]
    archived = queries.projects_of(db, viewer_id=user.id, sees_all=False, is_archived=True)
    assert [project.id for project, _ in archived] == [projects[0].id]


def test_a_membership_that_ended_is_not_listed(db, make):
    project = make.project()
    user = make.member(project)
    db.execute(sa.update(Membership).where(Membership.user_id == user.id).values(ended_at=sa.func.now()))
    assert queries.projects_of(db, viewer_id=user.id, sees_all=False) == []

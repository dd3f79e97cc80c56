import re

import pytest
import sqlalchemy as sa

from app.models import AnnotatorKind, AuditEvent, Membership, Message, OneTimeLink, ProjectStatus, Role


@pytest.fixture
def project(make):
    return make.project(name="Herons")


@pytest.fixture
def admin(make, project):
    return make.member(project, Role.ADMIN, make.user(name="Paul Projectadmin"))


def role_of(db, project, user):
    return db.scalars(
        sa.select(Membership.role).where(
            Membership.project_id == project.id, Membership.user_id == user.id, Membership.ended_at.is_(None)
        )
    ).one_or_none()


def deeds(db):
    return db.scalars(sa.select(AuditEvent.action).order_by(AuditEvent.id)).all()


def subjects(db, user):
    return db.scalars(sa.select(Message.subject).where(Message.user_id == user.id)).all()


def invited(page):
    return re.search(r'value="http://127.0.0.1:8000(/invitations/[\w-]+)"', page.text).group(1)


def test_the_page_shows_members_with_name_and_pseudonym_and_counts_the_others(browse, make, project, admin):
    member = make.member(project, Role.REVIEWER, make.user(name="Rita Reviewer"))
    make.member(make.project(), Role.ANNOTATOR, make.user(name="Elsewhere Only"))
    for kind, count in ((AnnotatorKind.IMPORTED, 2), (AnnotatorKind.SIMULATED, 1)):
        for _ in range(count):
            make.outside_annotator(project, kind)
    make.commit()
    page = browse(admin).get(f"/projects/{project.id}/people")
    for expected in ("Rita Reviewer", make.annotator(member).pseudonym, "2 imported", "1 simulated"):
        assert expected in page.text
    assert "Elsewhere Only" not in page.text


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.ANNOTATOR])
def test_only_admins_see_names(browse, make, project, role):
    member = make.member(project, role)
    browser = browse(member)
    for path in (f"/projects/{project.id}/people", f"/projects/{project.id}/people/{member.id}"):
        assert browser.get(path).status_code == 403
    assert browser.get(f"/api/v1/projects/{project.id}/members").status_code == 403


def test_an_admin_of_another_project_finds_nothing(browse, make, project):
    stranger = make.member(make.project(), Role.ADMIN)
    assert browse(stranger).get(f"/projects/{project.id}/people").status_code == 404
    assert browse(stranger).post(f"/projects/{project.id}/invitations", data={"role": "admin"}).status_code == 404


def test_an_admin_says_what_work_reaches_a_member(browse, make, project, admin, db):
    member = make.member(project)
    address = f"/projects/{project.id}/people/{member.id}"
    sent = {"languages": "EN, pt-BR", "domains": "Law", "skills": "law, Art, law", "groups": "", "daily_quota": "50"}
    assert browse(admin).post(f"{address}/work", data=sent).headers["location"] == f"{address}?done=work"
    row = db.scalars(sa.select(Membership).where(Membership.user_id == member.id)).one()
    db.refresh(row)
    assert (row.languages, row.domains, row.skills, row.groups) == (["en", "pt"], ["law"], ["law", "art"], [])
    assert (row.daily_quota, row.total_quota) == (50, None)
    page = browse(admin).get(address).text
    assert 'value="law, art"' in page
    refused = browse(admin).post(f"{address}/work", data={**sent, "daily_quota": "many"})
    assert (refused.status_code, "Please give a whole number." in refused.text) == (422, True)
    event = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "membership.change_work")).one()
    assert event.detail["after"]["skills"] == ["law", "art"]
    by_api = browse(admin).put(f"/api/v1{address.replace('people', 'members')}/work", json={"groups": ["Experts"]})
    empty = {"languages": [], "domains": [], "skills": [], "daily_quota": None, "total_quota": None}
    assert by_api.json()["work"] == empty | {"groups": ["experts"]}


def test_members_come_in_pages_with_as_many_statements_for_many_as_for_few(
    browse, make, project, admin, monkeypatch, count_statements
):
    browser = browse(admin)
    with count_statements() as few:
        browser.get(f"/projects/{project.id}/people")
    members = [make.member(project) for _ in range(12)]
    with count_statements() as many:
        browser.get(f"/projects/{project.id}/people")
    assert len(many) <= len(few)
    monkeypatch.setattr("app.projects.people_pages.PAGE", 10)
    first = browser.get(f"/projects/{project.id}/people")
    following = re.search(r'href="([^"]*after=\d+)"', first.text).group(1)
    second = browser.get(following)
    assert f"/people/{members[-1].id}" not in first.text
    assert f"/people/{members[-1].id}" in second.text


def test_a_role_is_changed_recorded_and_told_to_the_person(db, browse, make, project, admin):
    member = make.member(project)
    answer = browse(admin).post(f"/projects/{project.id}/people/{member.id}/role", data={"role": "reviewer"})
    assert answer.headers["location"] == f"/projects/{project.id}/people/{member.id}?done=role"
    assert role_of(db, project, member) == Role.REVIEWER
    event = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "membership.change_role")).one()
    assert (event.actor_id, event.project_id) == (admin.id, project.id)
    assert event.detail == {"user_id": member.id, "before": "annotator", "after": "reviewer"}
    assert subjects(db, member) == ["Your role in Herons has changed"]


def test_the_new_role_holds_on_the_next_request(browse, make, project, admin):
    member = make.member(project, Role.ADMIN)
    theirs = browse(member)
    assert theirs.get(f"/projects/{project.id}/people").status_code == 200
    browse(admin).post(f"/projects/{project.id}/people/{member.id}/role", data={"role": "annotator"})
    assert theirs.get(f"/projects/{project.id}/people").status_code == 403


def test_the_same_role_again_is_no_deed(db, browse, make, project, admin):
    member = make.member(project)
    browse(admin).post(f"/projects/{project.id}/people/{member.id}/role", data={"role": "annotator"})
    assert "membership.change_role" not in deeds(db)


@pytest.mark.parametrize("sent", [{}, {"role": "emperor"}])
def test_a_role_that_does_not_exist_is_refused(browse, make, project, admin, sent):
    member = make.member(project)
    answer = browse(admin).post(f"/projects/{project.id}/people/{member.id}/role", data=sent)
    assert answer.status_code == 422


def test_ending_a_membership_shuts_the_door_and_hands_tasks_back_here_only(db, browse, make, project, admin):
    member, other = make.member(project), make.project()
    make.member(other, Role.ANNOTATOR, member)
    here = make.assignment(make.task(project), make.annotator(member))
    there = make.assignment(make.task(other), make.annotator(member))
    answer = browse(admin).post(f"/projects/{project.id}/people/{member.id}/end")
    assert answer.headers["location"] == f"/projects/{project.id}/people?done=ended"
    assert role_of(db, project, member) is None
    assert role_of(db, other, member) == Role.ANNOTATOR
    assert browse(member).get(f"/projects/{project.id}").status_code == 404
    db.refresh(here)
    db.refresh(there)
    now = db.scalar(sa.select(sa.func.now()))
    assert (here.expires_at <= now, there.expires_at > now) == (True, True)
    assert subjects(db, member) == ["Your part in Herons has ended"]


@pytest.mark.parametrize("deed", ["role", "end", "message"])
def test_somebody_who_is_no_member_is_not_found(browse, make, project, admin, deed):
    stranger = make.member(make.project())
    former = make.member(project)
    browser = browse(admin)
    browser.post(f"/projects/{project.id}/people/{former.id}/end")
    for user in (stranger, former):
        sent = {"role": "reviewer", "subject": "S", "body": "B"}
        assert browser.post(f"/projects/{project.id}/people/{user.id}/{deed}", data=sent).status_code == 404
        assert browser.get(f"/projects/{project.id}/people/{user.id}").status_code == 404


@pytest.mark.parametrize("deed", ["demote", "end"])
def test_the_last_admin_of_a_project_cannot_go_alone(db, browse, make, project, admin, deed):
    make.member(project, Role.ADMIN, make.user(is_active=False))  # a closed account is no admin to rely on
    browser = browse(admin)
    answer = (
        browser.post(f"/projects/{project.id}/people/{admin.id}/role", data={"role": "annotator"})
        if deed == "demote"
        else browser.post(f"/projects/{project.id}/people/{admin.id}/end")
    )
    assert (answer.status_code, "last admin of the project" in answer.text) == (409, True)
    assert role_of(db, project, admin) == Role.ADMIN


def test_an_instance_admin_may_end_the_last_admin_of_a_project(db, browse, make, project, admin):
    answer = browse(make.admin()).post(f"/projects/{project.id}/people/{admin.id}/end")
    assert answer.status_code == 303
    assert role_of(db, project, admin) is None


def test_one_of_two_admins_may_step_down_and_is_led_away(db, browse, make, project, admin):
    make.member(project, Role.ADMIN)
    answer = browse(admin).post(f"/projects/{project.id}/people/{admin.id}/role", data={"role": "reviewer"})
    assert answer.headers["location"] == f"/projects/{project.id}"
    assert role_of(db, project, admin) == Role.REVIEWER


def test_an_invitation_is_shown_once_and_stands_in_the_list(browse, project, admin, make):
    browser = browse(admin)
    page = browser.post(f"/projects/{project.id}/invitations", data={"role": "reviewer", "note": "for Rita"})
    assert browse().get(invited(page)).status_code == 200
    listed = browser.get(f"/projects/{project.id}/people")
    assert ("for Rita" in listed.text, invited(page) in listed.text) == (True, False)


@pytest.mark.parametrize("sent", [{}, {"role": "emperor"}, {"role": "admin", "email": "no address"}])
def test_an_invitation_that_cannot_be_made_keeps_what_was_typed(db, browse, project, admin, sent):
    answer = browse(admin).post(f"/projects/{project.id}/invitations", data={"note": "kept note", **sent})
    assert (answer.status_code, "kept note" in answer.text) == (422, True)
    assert db.scalars(sa.select(OneTimeLink)).all() == []


def test_an_invitation_is_withdrawn(browse, db, project, admin):
    browser = browse(admin)
    link = invited(browser.post(f"/projects/{project.id}/invitations", data={"role": "annotator"}))
    invitation_id = db.scalars(sa.select(OneTimeLink.id)).one()
    assert browser.post(f"/projects/{project.id}/invitations/{invitation_id}/revoke").status_code == 303
    assert browse().get(link).status_code == 410
    assert browser.post(f"/projects/{project.id}/invitations/{invitation_id}/revoke").status_code == 410
    assert browser.post(f"/projects/{project.id}/invitations/{invitation_id}/renew").status_code == 410
    assert deeds(db)[-1] == "invitation.revoke"


def test_a_renewed_link_replaces_the_first(browse, db, project, admin):
    browser = browse(admin)
    first = invited(browser.post(f"/projects/{project.id}/invitations", data={"role": "annotator"}))
    invitation_id = db.scalars(sa.select(OneTimeLink.id)).one()
    second = invited(browser.post(f"/projects/{project.id}/invitations/{invitation_id}/renew"))
    assert (browse().get(first).status_code, browse().get(second).status_code) == (404, 200)


@pytest.mark.parametrize("deed", ["renew", "revoke"])
def test_an_invitation_of_another_project_is_not_found(browse, make, db, project, admin, deed):
    other = make.project()
    browse(make.admin()).post(f"/projects/{other.id}/invitations", data={"role": "annotator"})
    invitation_id = db.scalars(sa.select(OneTimeLink.id)).one()
    assert browse(admin).post(f"/projects/{project.id}/invitations/{invitation_id}/{deed}").status_code == 404


def test_a_demoted_admins_invitations_end(browse, make, project, admin):
    member = make.member(project, Role.ADMIN)
    link = invited(browse(member).post(f"/projects/{project.id}/invitations", data={"role": "admin"}))
    browse(admin).post(f"/projects/{project.id}/people/{member.id}/role", data={"role": "reviewer"})
    assert browse().get(link).status_code == 410


def test_nobody_is_invited_to_an_archived_project(browse, db, project, admin):
    project.status = ProjectStatus.ARCHIVED
    db.commit()
    browser = browse(admin)
    assert browser.post(f"/projects/{project.id}/invitations", data={"role": "annotator"}).status_code == 409
    assert "archived" in browser.get(f"/projects/{project.id}/people").text


def test_an_admin_writes_to_a_member(db, browse, make, project, admin):
    member = make.member(project)
    sent = {"subject": "Thank you", "body": "Good notes."}
    browser = browse(admin)
    assert browser.post(f"/projects/{project.id}/people/{member.id}/message", data=sent).status_code == 303
    assert subjects(db, member) == ["Thank you"]
    refused = browser.post(f"/projects/{project.id}/people/{member.id}/message", data={**sent, "subject": ""})
    assert (refused.status_code, "Good notes." in refused.text) == (422, True)


def test_the_api_does_what_the_pages_do(db, browse, make, project, admin):
    member = make.member(project)
    make.outside_annotator(project, AnnotatorKind.SIMULATED)
    make.commit()
    api, base = browse(admin), f"/api/v1/projects/{project.id}"
    listed = api.get(f"{base}/members").json()
    assert [item["user_id"] for item in listed["items"]] == [admin.id, member.id]
    assert listed["other_annotators"] == {"simulated": 1}
    changed = api.put(f"{base}/members/{member.id}", json={"role": "reviewer"}).json()
    assert (changed["role"], changed["pseudonym"]) == ("reviewer", make.annotator(member).pseudonym)
    assert api.put(f"{base}/members/{admin.id}", json={"role": "reviewer"}).status_code == 409
    message = {"subject": "Hello", "body": "From a program."}
    assert api.post(f"{base}/members/{member.id}/messages", json=message).status_code == 204
    made = api.post(f"{base}/invitations", json={"role": "annotator", "note": "n"})
    assert (made.status_code, made.json()["is_mailed"]) == (201, False)
    open_ones = api.get(f"{base}/invitations").json()["items"]
    assert [(item["id"], item["note"]) for item in open_ones] == [(made.json()["id"], "n")]
    renewed = api.post(f"{base}/invitations/{made.json()['id']}/renew").json()
    assert renewed["url"] != made.json()["url"]
    assert api.delete(f"{base}/invitations/{made.json()['id']}").status_code == 204
    assert api.get(f"{base}/invitations").json()["items"] == []
    assert api.delete(f"{base}/members/{member.id}").status_code == 204
    assert api.get(f"{base}/members/{member.id}").status_code == 404


def test_the_api_pages_members_by_cursor(browse, make, project, admin, monkeypatch):
    monkeypatch.setattr("app.projects.people_api.PAGE", 2)
    everybody = [admin.id, *(make.member(project).id for _ in range(4))]
    api, seen, cursor = browse(admin), [], ""
    while cursor is not None:
        page = api.get(f"/api/v1/projects/{project.id}/members" + (f"?cursor={cursor}" if cursor else "")).json()
        seen += [item["user_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == everybody

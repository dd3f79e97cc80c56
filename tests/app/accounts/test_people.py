import re

import pytest
import sqlalchemy as sa

from app.accounts.service import invitations
from app.models import Assignment, AuditEvent, Membership, Message, OneTimeLink, Role, User
from tests.app.accounts.conftest import PASSWORD, path_of


@pytest.fixture
def admin(make):
    return make.user(name="Ada Admin", is_instance_admin=True)


@pytest.fixture
def other_admin(make):
    return make.user(name="Otto Other", is_instance_admin=True)


def messages_of(db, user):
    return db.scalars(sa.select(Message.subject).where(Message.user_id == user.id).order_by(Message.id)).all()


def test_the_list_shows_names_pseudonyms_projects_and_state(browse, make, admin):
    project = make.project(name="Herons")
    member = make.member(project, Role.REVIEWER, make.user(name="Rita Reviewer"))
    make.user(name="Carl Closed", is_active=False)
    page = browse(admin).get("/people")
    for expected in ("Rita Reviewer", member.email, make.annotator(member).pseudonym, "Herons · reviewer", "Closed"):
        assert expected in page.text


@pytest.mark.parametrize("by", ["name", "email", "pseudonym"])
def test_people_are_found_by_name_address_and_pseudonym(browse, make, admin, by):
    wanted, other = make.user(name="Wanda Wanted", email="w@example.org"), make.user(name="Someone Else")
    search = {"name": "wanda", "email": "W@EXAMPLE", "pseudonym": make.annotator(wanted).pseudonym}[by]
    page = browse(admin).get("/people", params={"q": search})
    assert (wanted.name in page.text, other.name in page.text) == (True, False)


@pytest.mark.parametrize("search", ["%", "_", "\\", "nul\x00"])
def test_signs_with_a_meaning_in_sql_are_looked_for_as_they_are(browse, make, admin, search):
    make.user(name="Someone Else")
    page = browse(admin).get("/people", params={"q": search})
    assert (page.status_code, "Someone Else" in page.text) == (200, False)


def test_the_list_filters_by_state_and_pages(browse, make, admin, monkeypatch):
    monkeypatch.setattr("app.accounts.pages.people.PAGE", 2)
    people = [make.user(name=f"Numbered {n}", is_active=n != 1) for n in range(4)]
    browser = browse(admin)
    first = browser.get("/people?q=Numbered")
    assert [person.name in first.text for person in people] == [False, False, True, True]
    following = re.search(r'href="(/people\?[^"]*before=\d+)"', first.text).group(1).replace("&amp;", "&")
    second = browser.get(following)
    assert [person.name in second.text for person in people] == [True, True, False, False]
    assert people[1].name in browser.get("/people?state=closed").text
    assert people[0].name not in browser.get("/people?state=closed").text


def test_a_part_of_the_page_is_answered_to_htmx(browse, make, admin):
    page = browse(admin, **{"HX-Request": "true"}).get("/people?q=Ada")
    assert "Ada Admin" in page.text
    assert "<html" not in page.text


def test_the_list_takes_as_many_statements_for_many_people_as_for_few(browse, make, admin, count_statements):
    browser = browse(admin)
    with count_statements() as few:
        browser.get("/people")
    project = make.project()
    for _ in range(20):
        make.member(project)
    with count_statements() as many:
        browser.get("/people")
    assert len(many) <= len(few)


@pytest.mark.parametrize("path", ["/people", "/people/{id}", "/api/v1/people", "/api/v1/people/{id}"])
def test_only_instance_admins_see_people(browse, make, path):
    project = make.project()
    member = make.member(project, Role.ADMIN)
    assert browse(member).get(path.format(id=member.id)).status_code == 403


def test_a_person_who_does_not_exist_is_not_found(browse, admin):
    browser = browse(admin)
    for path in ("/people/999999", "/people/99999999999999999999", "/people/zero", "/api/v1/people/999999"):
        assert browser.get(path).status_code == 404
    for deed in ("deactivate", "reactivate", "grant-admin", "withdraw-admin", "reset-link", "message"):
        assert browser.post(f"/people/999999/{deed}").status_code == 404


def test_deactivating_ends_sign_ins_tokens_links_and_hands_tasks_back(db, browse, make, admin, person, deeds):
    user, project = person(), make.project()
    make.member(project, Role.ADMIN, user)
    _link, url = invitations.invite(db, project_id=project.id, role=Role.ADMIN, email="", note="", actor_id=user.id)
    assignment = make.assignment(make.task(project), make.annotator(user))
    theirs = browse(user)
    token = re.search(r"accord_[\w-]{20,}", theirs.post("/account/tokens", data={"name": "n"}).text).group()
    program = browse(authorization=f"Bearer {token}")
    assert (theirs.get("/account").status_code, program.get("/api/v1/me").status_code) == (200, 200)

    answer = browse(admin).post(f"/people/{user.id}/deactivate")
    assert answer.headers["location"] == f"/people/{user.id}?done=deactivated"

    assert theirs.get("/account").headers["location"] == "/sign-in?next=/account"
    assert program.get("/api/v1/me").status_code == 401
    assert browse().post("/sign-in", data={"email": user.email, "password": PASSWORD}).status_code == 422
    assert browse().get(path_of(url)).status_code == 410
    db.refresh(assignment)
    assert assignment.expires_at <= db.scalar(sa.select(sa.func.now()))
    assert assignment.state == "open"  # the sweep hands it on, counters and all
    detail = db.scalars(sa.select(AuditEvent.detail).where(AuditEvent.action == "user.deactivate")).one()
    assert detail == {"sessions_ended": 1, "tokens_revoked": 1, "leases_returned": 1, "links_revoked": 1}


def test_other_peoples_tasks_stay_on_their_desks(db, browse, make, admin):
    project = make.project()
    leaving, staying = make.member(project), make.member(project)
    task = make.task(project)
    make.assignment(task, make.annotator(leaving))
    kept = make.assignment(task, make.annotator(staying))
    browse(admin).post(f"/people/{leaving.id}/deactivate")
    db.refresh(kept)
    assert kept.expires_at > db.scalar(sa.select(sa.func.now()))
    assert db.scalar(sa.select(sa.func.count()).where(Assignment.expires_at <= sa.func.now())) == 1


def test_deactivating_twice_is_one_deed(browse, make, admin, deeds):
    user = make.user()
    for _ in range(2):
        assert browse(admin).post(f"/people/{user.id}/deactivate").status_code == 303
    assert deeds().count("user.deactivate") == 1


def test_a_reactivated_person_signs_in_again_but_not_with_the_old_session(db, browse, make, admin, person):
    user = person()
    theirs = browse(user)
    browser = browse(admin)
    browser.post(f"/people/{user.id}/deactivate")
    browser.post(f"/people/{user.id}/reactivate")
    assert theirs.get("/account").status_code == 303
    assert browse().post("/sign-in", data={"email": user.email, "password": PASSWORD}).status_code == 303
    assert messages_of(db, user) == ["Your account is open again"]


def test_administration_is_granted_and_withdrawn_with_a_message(db, browse, make, admin, deeds):
    user = make.user()
    theirs, browser = browse(user), browse(admin)
    browser.post(f"/people/{user.id}/grant-admin")
    assert theirs.get("/people").status_code == 200
    browser.post(f"/people/{user.id}/withdraw-admin")
    assert theirs.get("/people").status_code == 403
    assert messages_of(db, user) == [
        "You are now an admin of this installation",
        "You are no longer an admin of this installation",
    ]
    assert deeds()[-2:] == ["user.grant_instance_admin", "user.withdraw_instance_admin"]


def test_a_closed_account_is_not_made_an_admin(browse, make, admin):
    user = make.user(is_active=False)
    assert browse(admin).post(f"/people/{user.id}/grant-admin").status_code == 409


@pytest.mark.parametrize("deed", ["deactivate", "withdraw-admin"])
@pytest.mark.parametrize("prefix", ["", "/api/v1"])
def test_the_last_admin_stays(db, browse, make, admin, deed, prefix):
    make.user(is_instance_admin=True, is_active=False)  # a closed account is no admin to rely on
    answer = browse(admin).post(f"{prefix}/people/{admin.id}/{deed}")
    assert (answer.status_code, "last admin of this installation" in answer.text) == (409, True)
    db.refresh(admin)
    assert (admin.is_active, admin.is_instance_admin) == (True, True)


@pytest.mark.parametrize("deed", ["deactivate", "withdraw-admin"])
def test_one_of_two_admins_may_go(db, browse, admin, other_admin, deed):
    assert browse(admin).post(f"/people/{other_admin.id}/{deed}").status_code == 303
    db.refresh(other_admin)
    assert not (other_admin.is_active and other_admin.is_instance_admin)


def test_invitations_of_a_former_admin_end_where_no_role_of_their_own_carries_them(
    db, browse, make, admin, other_admin
):
    own, foreign = make.project(), make.project()
    make.member(own, Role.ADMIN, other_admin)
    urls = [
        invitations.invite(db, project_id=project.id, role=Role.ADMIN, email="", note="", actor_id=other_admin.id)[1]
        for project in (own, foreign)
    ]
    db.commit()
    browse(admin).post(f"/people/{other_admin.id}/withdraw-admin")
    assert [browse().get(path_of(url)).status_code for url in urls] == [200, 410]


def test_a_message_arrives_under_the_admins_name(db, browse, make, admin, deeds):
    user = make.user()
    sent = {"subject": "Thank you", "body": "Your notes\r\nwere a great help."}
    assert browse(admin).post(f"/people/{user.id}/message", data=sent).status_code == 303
    message = db.scalars(sa.select(Message)).one()
    assert (message.user_id, message.sender_id, message.body) == (user.id, admin.id, "Your notes\nwere a great help.")
    assert deeds()[-1] == "message.send"
    event = db.scalars(sa.select(AuditEvent).where(AuditEvent.action == "message.send")).one()
    assert "great help" not in str(event.detail)


@pytest.mark.parametrize("change", [{"subject": ""}, {"subject": "two\nlines"}, {"body": " "}, {"body": "x" * 10_001}])
def test_a_message_that_cannot_be_sent_is_kept_on_the_page(db, browse, make, admin, change):
    user = make.user()
    answer = browse(admin).post(f"/people/{user.id}/message", data={"subject": "S kept", "body": "B kept", **change})
    assert answer.status_code == 422
    assert ("S kept" in answer.text) != ("B kept" in answer.text)
    assert db.scalars(sa.select(Message)).all() == []


def test_a_reset_link_is_shown_once(db, browse, make, admin):
    user = make.user()
    browser = browse(admin)
    page = browser.post(f"/people/{user.id}/reset-link")
    assert re.search(r'value="http://127.0.0.1:8000/reset/[\w-]{40,}"', page.text)
    assert "/reset/" not in browser.get(f"/people/{user.id}").text
    assert db.scalars(sa.select(OneTimeLink.user_id)).one() == user.id


def test_there_is_no_reset_link_for_a_closed_account(browse, make, admin):
    user = make.user(is_active=False)
    assert browse(admin).post(f"/people/{user.id}/reset-link").status_code == 409


def test_the_api_does_what_the_pages_do(db, browse, make, admin):
    project = make.project(name="Herons")
    user = make.member(project, Role.REVIEWER)
    api = browse(admin)
    shown = api.get(f"/api/v1/people/{user.id}").json()
    assert shown["projects"] == [{"project_id": project.id, "project_name": "Herons", "role": "reviewer"}]
    assert shown["pseudonym"] == make.annotator(user).pseudonym
    assert api.post(f"/api/v1/people/{user.id}/grant-admin").json()["is_instance_admin"] is True
    assert api.post(f"/api/v1/people/{user.id}/withdraw-admin").json()["is_instance_admin"] is False
    assert api.post(f"/api/v1/people/{user.id}/deactivate").json()["is_active"] is False
    assert api.get("/api/v1/people?is_active=false").json()["items"][0]["id"] == user.id
    assert api.post(f"/api/v1/people/{user.id}/reactivate").json()["is_active"] is True
    message = {"subject": "Hello", "body": "From a program."}
    assert api.post(f"/api/v1/people/{user.id}/messages", json=message).status_code == 204
    assert "Hello" in messages_of(db, user)
    assert api.post(f"/api/v1/people/{user.id}/reset-link").json()["url"].startswith("http://127.0.0.1:8000/reset/")


def test_the_api_pages_by_cursor(browse, make, admin, monkeypatch):
    monkeypatch.setattr("app.accounts.people_api.PAGE", 2)
    everybody = {admin.id, *(make.user().id for _ in range(4))}
    api, seen, cursor = browse(admin), [], ""
    while cursor is not None:
        page = api.get("/api/v1/people" + (f"?cursor={cursor}" if cursor else "")).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(everybody)
    assert seen == sorted(seen, reverse=True)


def test_memberships_of_the_deactivated_are_kept(db, browse, make, admin):
    project = make.project()
    user = make.member(project)
    browse(admin).post(f"/people/{user.id}/deactivate")
    assert db.scalars(sa.select(Membership.ended_at).where(Membership.user_id == user.id)).one() is None
    assert db.scalar(sa.select(User.is_active).where(User.id == user.id)) is False

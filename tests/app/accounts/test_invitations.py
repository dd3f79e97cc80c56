import pytest
import sqlalchemy as sa

from app.accounts.service import invitations
from app.models import Annotator, Consent, Membership, Message, OneTimeLink, ProjectStatus, Role, User
from tests.app.accounts.conftest import PASSWORD, path_of

FORM = {"name": "Nina Neu", "email": "nina@example.org", "password": PASSWORD, "has_consented": "true"}


def memberships(db):
    rows = db.execute(sa.select(Membership.user_id, Membership.role, Membership.ended_at)).all()
    return {row.user_id: (row.role, row.ended_at is None) for row in rows}


def test_the_page_says_who_invites_whereto_as_what_and_shows_the_consent_text(browse, make, invitation, consent_text):
    consent_text()
    admin = make.user(name="Ines Inviter", is_instance_admin=True)
    page = browse().get(invitation(make.project(name="Herons"), Role.REVIEWER, actor=admin))
    assert page.status_code == 200
    for expected in ("Herons", "Ines Inviter", "reviewer", "What is recorded", 'name="has_consented"'):
        assert expected in page.text


def test_a_new_person_joins_with_the_role_a_pseudonym_and_a_recorded_consent(
    db, browse, make, invitation, consent_text, deeds
):
    version, project = consent_text(), make.project()
    browser = browse()
    answer = browser.post(invitation(project), data=FORM)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/projects/{project.id}")
    user = db.scalars(sa.select(User).where(User.email == "nina@example.org")).one()
    assert not user.is_instance_admin
    assert memberships(db) == {user.id: (Role.ANNOTATOR, True)}
    assert db.scalars(sa.select(Annotator.pseudonym).where(Annotator.user_id == user.id)).one().count("-") == 2
    accepted = db.execute(sa.select(Consent.user_id, Consent.consent_version_id)).all()
    assert (user.id, version.id) in accepted
    assert browser.get("/sign-in").headers["location"] == "/"
    assert {"invitation.create", "invitation.accept", "consent.give", "session.start"} <= set(deeds())


def test_the_inviter_finds_a_message(db, browse, make, invitation):
    admin = make.admin()
    browse().post(invitation(make.project(name="Herons"), actor=admin), data=FORM)
    message = db.scalars(sa.select(Message)).one()
    assert message.user_id == admin.id
    assert (message.subject, "Nina Neu" in message.body) == ("Nina Neu joined Herons", True)


def test_a_signed_in_person_joins_without_giving_anything_again(db, browse, make, person, invitation):
    user, project = person(), make.project()
    link = invitation(project)
    browser = browse(user)
    assert user.name in browser.get(link).text
    assert browser.post(link).headers["location"] == f"/projects/{project.id}"
    assert memberships(db) == {user.id: (Role.ANNOTATOR, True)}


def test_a_signed_in_person_accepts_the_newest_consent_text_with_it(db, browse, make, person, invitation, consent_text):
    consent_text()
    user, link = person(), invitation(make.project())
    browser = browse(user)
    refused = browser.post(link)
    assert (refused.status_code, "tick the box" in refused.text) == (422, True)
    assert memberships(db) == {}
    assert browser.post(link, data={"has_consented": "true"}).status_code == 303
    assert user.id in db.scalars(sa.select(Consent.user_id)).all()


def test_somebody_who_has_an_account_joins_with_its_password_and_is_signed_in(db, browse, make, person, invitation):
    user = person(email="nina@example.org")
    browser = browse()
    assert browser.post(invitation(make.project()), data=FORM).status_code == 303
    assert list(memberships(db)) == [user.id]
    assert browser.get("/sign-in").status_code == 303


@pytest.mark.parametrize("is_active", [True, False])
def test_an_address_that_is_taken_needs_its_password_and_the_invitation_stays_open(
    db, browse, make, person, invitation, is_active
):
    person(email="nina@example.org", is_active=is_active)
    link = invitation(make.project())
    answer = browse().post(link, data={**FORM, "password": "another good password"})
    assert (answer.status_code, "sign in first" in answer.text) == (422, True)
    assert memberships(db) == {}
    assert browse().get(link).status_code == 200


def test_without_the_tick_nobody_joins(db, browse, make, invitation, consent_text):
    consent_text()
    answer = browse().post(invitation(make.project()), data={**FORM, "has_consented": ""})
    assert answer.status_code == 422
    assert 'value="nina@example.org"' in answer.text
    assert memberships(db) == {}


@pytest.mark.parametrize(
    ("before", "invited", "after"),
    [
        (Role.ADMIN, Role.ANNOTATOR, Role.ADMIN),
        (Role.REVIEWER, Role.REVIEWER, Role.REVIEWER),
        (Role.ANNOTATOR, Role.ADMIN, Role.ADMIN),
    ],
)
def test_an_invitation_raises_a_role_and_never_lowers_it(db, browse, make, person, invitation, before, invited, after):
    project, user = make.project(), person()
    make.member(project, before, user)
    browse(user).post(invitation(project, invited))
    assert memberships(db)[user.id] == (after, True)


def test_whoever_left_comes_back_with_the_invitations_role(db, browse, make, person, invitation):
    project, user = make.project(), person()
    make.member(project, Role.ADMIN, user)
    db.execute(sa.update(Membership).values(ended_at=sa.func.now()))
    db.commit()
    browse(user).post(invitation(project, Role.ANNOTATOR))
    assert memberships(db) == {user.id: (Role.ANNOTATOR, True)}


@pytest.mark.parametrize("column", ["used_at", "revoked_at", "expires_at"])
def test_an_invitation_that_has_ended_is_gone(db, browse, make, person, invitation, column):
    link = invitation(make.project())
    db.execute(sa.update(OneTimeLink).values({column: sa.func.now()}))
    db.commit()
    for browser in (browse(), browse(person())):
        for answer in (browser.get(link), browser.post(link, data=FORM)):
            assert answer.status_code == 410
            assert "This invitation has" in answer.text
    assert memberships(db) == {}


def test_an_invitation_works_once(db, browse, make, invitation):
    link = invitation(make.project())
    browse().post(link, data=FORM)
    assert browse().post(link, data={**FORM, "email": "second@example.org"}).status_code == 410
    assert len(memberships(db)) == 1


def test_an_unknown_invitation_is_not_found(browse):
    assert browse().get("/invitations/nothing").status_code == 404


def test_nobody_joins_an_archived_project(db, browse, make, invitation):
    project = make.project()
    link = invitation(project)
    project.status = ProjectStatus.ARCHIVED
    db.commit()
    assert browse().post(link, data=FORM).status_code == 410


def test_a_set_up_or_reset_link_is_no_invitation(db, browse, make):
    from app.accounts.service import setup

    token = setup.setup_link(db).rsplit("/", 1)[1]
    db.commit()
    assert browse().get(f"/invitations/{token}").status_code == 404


def test_a_renewed_invitation_has_another_address(db, browse, make, invitation):
    admin, project = make.admin(), make.project()
    link, url = invitations.invite(db, project_id=project.id, role=Role.REVIEWER, email="", note="", actor_id=admin.id)
    _link, renewed = invitations.renew(db, project_id=project.id, link_id=link.id, actor_id=admin.id)
    db.commit()
    assert browse().get(path_of(url)).status_code == 404
    assert browse().get(path_of(renewed)).status_code == 200


def test_posts_are_throttled_by_address(browse):
    browser = browse()
    answers = [browser.post("/invitations/guess", data=FORM).status_code for _ in range(201)]
    assert set(answers[:200]) == {404}
    assert answers[200] == 429

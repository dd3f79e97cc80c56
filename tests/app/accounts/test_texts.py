"""Every text of the pages of people passes through gettext: in the pseudo-locale each stands in brackets."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.accounts.service import consent, invitations, people, resets, setup
from app.models import AnnotatorKind, Message, Role
from app.web import i18n
from app.web.security import CSRF_HEADER
from tests.app.accounts.conftest import path_of
from tests.support import pseudo
from tests.support.pseudo import bracketed


@pytest.fixture(scope="session")
def catalogues(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people_locale")
    pseudo.write_catalogue(folder)
    return folder


@pytest.fixture(autouse=True)
def pseudo_locale(catalogues, monkeypatch):
    monkeypatch.setattr(i18n, "LOCALE_FOLDER", catalogues)
    # Babel names the languages in their own words.
    monkeypatch.setattr(pseudo, "SKIPPED_FIELDS", pseudo.SKIPPED_FIELDS | {"locale"})
    i18n.translations.cache_clear()
    yield
    i18n.translations.cache_clear()


@pytest.fixture
def somebody(make):
    """somebody(...) -> a user whose name and pseudonym are in brackets, as everything that people wrote is here."""

    def making(**values):
        user = make.user(locale=pseudo.LOCALE, name=bracketed("name"), **values)
        user.email = bracketed(user.email)
        make.annotator(user).pseudonym = bracketed(f"pseudonym {user.id}")
        make.commit()
        return user

    return making


@pytest.fixture
def admin(somebody):
    return somebody(is_instance_admin=True)


@pytest.fixture
def stranger(browse):
    """A browser that prefers the pseudo-locale, with nobody signed in."""
    return browse(**{"accept-language": pseudo.LOCALE})


@pytest.fixture(autouse=True)
def bracketed_consent(monkeypatch):
    monkeypatch.setattr(consent, "DEFAULT_CONSENT", bracketed("the consent text"))


def assert_translated(response, status=200):
    assert response.status_code == status
    assert f'lang="{pseudo.LOCALE}"' in response.text
    assert pseudo.untranslated(response.text) == []


@pytest.mark.parametrize("path", ["/sign-in", "/reset", "/reset/nothing", "/setup/nothing", "/invitations/nothing"])
def test_the_doors(stranger, path):
    assert_translated(stranger.get(path), status=404 if "nothing" in path else 200)


def test_a_refused_sign_in_and_a_kept_form(stranger, make):
    make.admin()
    assert_translated(stranger.post("/sign-in", data={"kept_" + bracketed("body"): bracketed("kept")}), status=422)
    assert_translated(stranger.post("/people/consent", data={bracketed("field"): bracketed("kept")}), status=401)
    del stranger.headers[CSRF_HEADER]
    assert_translated(stranger.post("/sign-in", data={bracketed("field"): bracketed("kept")}), status=403)


def test_setting_up(db, stranger):
    link = path_of(setup.setup_link(db))
    db.commit()
    assert_translated(stranger.get(link))
    assert_translated(stranger.post(link, data={}), status=422)
    person = {"name": "N", "email": "x", "password": "x"}
    assert_translated(stranger.post(link, data={**person, "email": "a@example.org"}), status=422)


def test_an_invitation_and_a_reset_link(db, stranger, browse, make, admin, somebody):
    project = make.project(name=bracketed("project"))
    _link, url = invitations.invite(
        db, project_id=project.id, role=Role.ANNOTATOR, email="", note="", actor_id=admin.id
    )
    _link, reset = resets.create_link(db, user=somebody(), actor_id=admin.id)
    db.commit()
    for path in (path_of(url), path_of(reset)):
        assert_translated(stranger.get(path))
        assert_translated(stranger.post(path, data={}), status=422)
    assert_translated(browse(somebody()).get(path_of(url)))
    assert_translated(stranger.post("/reset", data={"email": "x"}))


def test_consent(browse, admin, db):
    consent.ensure_first_version(db, actor_id=admin.id)
    db.commit()
    browser = browse(admin)
    assert_translated(browser.get("/consent"))
    assert_translated(browser.post("/consent", data={"version": 1}), status=422)
    assert_translated(browser.post("/people/consent", data={bracketed("field"): bracketed("kept")}), status=403)
    browser.post("/consent", data={"version": 1, "has_consented": "true"})
    assert_translated(browser.get("/people/consent"))
    assert_translated(browser.post("/people/consent", data={"body": bracketed("short")}), status=422)


@pytest.mark.parametrize("path", ["/account", "/inbox", "/people", "/people?q=nobody-at-all", "/people?state=closed"])
def test_pages_without_a_project(browse, admin, somebody, path):
    somebody(is_active=False)
    assert_translated(browse(admin).get(path))


def test_refusals_on_the_account_page(browse, admin):
    browser = browse(admin)
    assert_translated(browser.post("/account/profile", data={"name": "", "locale": "x", "theme": "x"}), status=422)
    wrong = {"current_password": "x", "password": "x"}
    assert_translated(browser.post("/account/password", data=wrong), status=422)
    assert_translated(browser.post("/account/tokens", data={}), status=422)


@pytest.mark.parametrize("is_active", [True, False])
@pytest.mark.parametrize("done", ["", "deactivated", "reactivated", "granted", "withdrawn", "message"])
def test_a_person(browse, admin, somebody, is_active, done):
    user = somebody(is_active=is_active)
    if not is_active:
        user.deactivated_at = user.created_at
    browser = browse(admin)
    assert_translated(browser.get(f"/people/{user.id}?done={done}"))
    assert_translated(browser.post(f"/people/{user.id}/message", data={}), status=422)
    if is_active:
        assert_translated(browser.post(f"/people/{user.id}/reset-link"))
    assert_translated(browser.post(f"/people/{admin.id}/deactivate"), status=409)


def test_a_projects_people(browse, make, admin, somebody):
    project = make.project(name=bracketed("project"))
    member = make.member(project, Role.ADMIN, somebody())
    for kind in (AnnotatorKind.IMPORTED, AnnotatorKind.SIMULATED, AnnotatorKind.MODEL):
        make.outside_annotator(project, kind)
    make.commit()
    browser, base = browse(admin), f"/projects/{project.id}"
    invited = browser.post(f"{base}/invitations", data={"role": "reviewer", "note": bracketed("note")})
    assert_translated(invited)
    for done in ("mailed", "revoked", "ended"):
        assert_translated(browser.get(f"{base}/people?done={done}"))
    assert_translated(browser.post(f"{base}/invitations", data={"email": "x"}), status=422)
    for done in ("role", "message"):
        assert_translated(browser.get(f"{base}/people/{member.id}?done={done}"))
    theirs = browse(member)
    assert_translated(theirs.post(f"{base}/people/{member.id}/end"), status=409)
    assert_translated(theirs.get(f"{base}/people/{admin.id}"), status=404)


def test_messages_of_the_program_are_in_the_readers_language(db, browse, make, admin, somebody):
    project = make.project(name=bracketed("project"))
    user = make.member(project, Role.ANNOTATOR, somebody())
    for role in (Role.REVIEWER, Role.ADMIN, Role.ANNOTATOR):
        people.change_role(
            db, project_id=project.id, user_id=user.id, role=role, actor_id=admin.id, by_instance_admin=True
        )
    people.end_membership(db, project_id=project.id, user_id=user.id, actor_id=admin.id, by_instance_admin=True)
    people.grant_instance_admin(db, user_id=user.id, actor_id=admin.id)
    people.withdraw_instance_admin(db, user_id=user.id, actor_id=admin.id)
    people.deactivate(db, user_id=user.id, actor_id=admin.id)
    people.reactivate(db, user_id=user.id, actor_id=admin.id)
    db.commit()
    messages = db.scalars(sa.select(Message).where(Message.user_id == user.id)).all()
    assert len(messages) == 7
    assert not [m.id for m in messages if m.subject[0] != pseudo.OPEN or m.body[0] != pseudo.OPEN]
    browser = browse(user)
    assert_translated(browser.get("/inbox"))
    assert_translated(browser.get(f"/inbox/{messages[0].id}"))

import re

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from app.accounts import passwords
from app.accounts.addresses import local_path
from app.config import settings
from app.models import AuditEvent, SignInSession, Throttle
from app.web.security import session_cookie_name
from tests.app.accounts.conftest import PASSWORD
from tests.support.browsing import HOST


def sign_in(browser, email, password=PASSWORD, **fields):
    return browser.post("/sign-in", data={"email": email, "password": password, **fields})


def without_ids(page):
    """The page's text without what differs from request to request."""
    return re.sub(r'name="csrf_token" value="[^"]*"', "", page.text)


def test_the_right_password_leads_to_where_one_was_going(browse, person):
    user = person()
    browser = browse()
    answer = sign_in(browser, user.email, next="/inbox?page=2")
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox?page=2")
    assert browser.get("/sign-in").headers["location"] == "/"


def test_the_address_is_taken_without_regard_to_case_and_spaces(browse, person):
    user = person(email="Maria@Example.org")
    assert sign_in(browse(), " mARIA@example.ORG ").status_code == 303
    assert user.is_active


def test_a_composed_accent_is_the_same_as_two_signs(browse, make):
    user = make.user(password_hash=passwords.hash_password("caf\u00e9 caf\u00e9 caf\u00e9"))
    assert sign_in(browse(), user.email, "cafe\u0301 cafe\u0301 cafe\u0301").status_code == 303


def test_every_refusal_looks_the_same(browse, person, make):
    known, closed, linked = person(), person(is_active=False), make.user()
    attempts = [
        (known.email, "not the password"),
        ("nobody@example.org", "not the password"),
        (closed.email, PASSWORD),
        (linked.email, PASSWORD),  # has never had a password
        (known.email, ""),
    ]
    answers = [sign_in(browse(), email, password) for email, password in attempts]
    assert {answer.status_code for answer in answers} == {422}
    bodies = {
        without_ids(answer).replace(email, "…") for answer, (email, _password) in zip(answers, attempts, strict=True)
    }
    assert len(bodies) == 1
    assert all(session_cookie_name() not in answer.headers.get("set-cookie", "") for answer in answers)


@pytest.mark.parametrize("who", ["known", "unknown", "closed", "without a password"])
def test_every_attempt_costs_one_verification(browse, person, make, monkeypatch, who):
    email = {
        "known": lambda: person().email,
        "unknown": lambda: "nobody@example.org",
        "closed": lambda: person(is_active=False).email,
        "without a password": lambda: make.user().email,
    }[who]()
    browser = browse()
    sign_in(browser, email, "warms up the hash of nobody")
    calls = []
    real = PasswordHasher.verify

    def counting(self, stored, password):
        result = real(self, stored, password)
        calls.append(stored)
        return result

    def refusing(self, stored, password):
        try:
            return counting(self, stored, password)
        except Exception as error:
            if type(error).__name__ == "VerifyMismatchError":
                calls.append(stored)
            raise

    monkeypatch.setattr(PasswordHasher, "verify", refusing)
    sign_in(browser, email, "not the password")
    assert len(calls) == 1


def test_a_hash_with_old_parameters_is_made_anew(db, browse, make):
    old = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash(PASSWORD)
    user = make.user(password_hash=old)
    assert sign_in(browse(), user.email).status_code == 303
    db.refresh(user)
    assert user.password_hash != old
    assert sign_in(browse(), user.email).status_code == 303


def test_parameters_outside_tests_are_those_of_the_rfc(monkeypatch):
    monkeypatch.setattr(passwords.settings(), "environment", "production")
    passwords.hasher.cache_clear()
    try:
        hasher = passwords.hasher()
        assert (hasher.time_cost, hasher.memory_cost, hasher.type.name) == (3, 65536, "ID")
    finally:
        passwords.hasher.cache_clear()


def test_signing_in_rotates_the_session_of_the_browser(db, browse, person):
    user = person()
    browser = browse(user)
    before = browser.cookies[session_cookie_name()]
    sign_in(browser, user.email)
    assert browser.cookies[session_cookie_name()] != before
    ended = db.scalars(sa.select(SignInSession.ended_at).order_by(SignInSession.id)).all()
    assert [value is not None for value in ended] == [True, False]


def test_signing_out_ends_the_session_and_not_only_the_cookie(browse, person):
    browser = browse(person())
    token = browser.cookies[session_cookie_name()]
    assert browser.post("/sign-out").headers["location"] == "/"
    browser.cookies.set(session_cookie_name(), token, domain=HOST)
    assert browser.get("/consent").headers["location"] == "/sign-in?next=/consent"


def test_an_unused_sign_in_expires_and_a_used_one_lives_on(db, browse, person):
    browser = browse(person())
    row = db.scalars(sa.select(SignInSession)).one()
    first = row.expires_at
    db.execute(sa.update(SignInSession).values(last_seen_at=sa.func.now() - sa.text("interval '1 hour'")))
    db.commit()
    browser.get("/sign-in")
    db.refresh(row)
    assert row.expires_at > first
    db.execute(sa.update(SignInSession).values(expires_at=sa.func.now()))
    db.commit()
    assert browser.get("/consent").headers["location"] == "/sign-in?next=/consent"


@pytest.mark.parametrize("known", [True, False])
def test_an_account_is_throttled_whether_or_not_it_exists(browse, person, known):
    email = person().email if known else "nobody@example.org"
    browser = browse()
    answers = [sign_in(browser, email, "wrong again") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 900
    assert "Please wait" in answers[-1].text
    right = sign_in(browser, email)
    assert right.status_code == 429  # the right password does not help to try out others


def test_an_address_is_throttled_over_all_accounts(browse):
    browser = browse()
    answers = [sign_in(browser, f"person{n}@example.org", "wrong").status_code for n in range(101)]
    assert answers == [422] * 100 + [429]


def test_successes_do_not_fill_the_throttle(db, browse, person):
    user = person()
    for _ in range(3):
        sign_in(browse(), user.email, "wrong")
        assert sign_in(browse(), user.email).status_code == 303
    counts = dict(db.execute(sa.select(Throttle.key, Throttle.count)).all())
    assert [count for key, count in counts.items() if "account" in key] == []
    assert [count for key, count in counts.items() if "address" in key] == [3]


def test_the_throttle_keeps_no_e_mail_address(db, browse):
    sign_in(browse(), "somebody@example.org", "wrong")
    assert not [key for key in db.scalars(sa.select(Throttle.key)) if "somebody" in key]


def test_the_audit_trail_holds_refusals_and_never_what_was_typed(db, browse, person):
    user = person()
    sign_in(browse(), user.email, "a password mistyped")
    sign_in(browse(), "stranger@example.org", "a password mistyped")
    events = db.scalars(sa.select(AuditEvent).order_by(AuditEvent.id)).all()
    assert [(event.action, event.target_id) for event in events] == [
        ("session.refuse", str(user.id)),
        ("session.refuse", ""),
    ]
    assert all("mistyped" not in str(event.detail) and "stranger" not in str(event.detail) for event in events)


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "http:evil.example",
        "evil.example",
        "",
        "/" + "a" * 3000,
    ],
)
def test_no_sign_in_leads_to_another_site(browse, person, address):
    assert local_path(address) == "/"
    assert sign_in(browse(), person().email, next=address).headers["location"] == "/"


@pytest.mark.parametrize("address", ["/", "/projects/1?tag=a%2Fb&x=//y", "/inbox#top"])
def test_paths_on_this_site_are_kept(address):
    assert local_path(address) == address


def test_a_form_from_another_site_signs_nobody_in(browse, person):
    answer = browse(**{"sec-fetch-site": "cross-site"}).post(
        "/sign-in", data={"email": person().email, "password": PASSWORD}
    )
    assert answer.status_code == 403


def test_an_installation_without_an_admin_says_how_to_make_one(browse, make):
    assert "setup-link" in browse().get("/sign-in").text
    make.admin()
    assert "setup-link" not in browse().get("/sign-in").text


def test_over_https_the_cookie_is_secure_and_bound_to_the_host(browse, person, monkeypatch):
    user = person()
    monkeypatch.setattr(settings(), "public_url", "https://accord.example.org")
    cookie = sign_in(browse(), user.email).headers["set-cookie"]
    assert cookie.startswith("__Host-accord_session=")
    assert all(part in cookie for part in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"))
    assert "Domain" not in cookie

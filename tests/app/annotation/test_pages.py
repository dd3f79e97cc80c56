import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import sqlalchemy as sa

from app.accounts import passwords
from app.accounts.tokens import new_token
from app.models import (
    Annotation,
    Assignment,
    GuidelineVersion,
    ProjectStatus,
    Prompt,
    SignInSession,
    Task,
)
from app.projects.definitions import AnswerSchema, Policy
from tests.app.accounts.conftest import PASSWORD
from tests.app.accounts.test_kept_form import fields
from tests.support.browsing import form

HTMX = {"HX-Request": "true"}
PLAIN = Policy(overlap=1, gold_rate=0.0)


@pytest.fixture
def person(make, project):
    return make.member(project)


@pytest.fixture
def client(browse, person):
    return browse(person)


def desk_of(project):
    return f"/projects/{project.id}/judge"


def public_id(html):
    found = re.search(r'action="/projects/\d+/judge/(?:edit/)?([0-9a-f-]{36})"', html)
    assert found, html
    return found.group(1)


def hidden(html, form_id="choice-form"):
    """The hidden fields of the judgement's form, as a browser would send them."""
    start = html.index(f'id="{form_id}"')
    part = html[start : html.index("</form>", start)]
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', part)
    return {name: unescape(value) for name, value in fields}


def judge(client, project, choice="a2", headers=None, **fields):
    page = client.get(desk_of(project)).text
    address = f"{desk_of(project)}/{public_id(page)}"
    return client.post(address, data={**hidden(page), "choice": choice, **form(**fields)}, headers=headers)


def votes(db):
    return db.scalars(sa.select(Annotation).order_by(Annotation.id)).all()


def test_the_desk_shows_one_task_and_keeps_it(make, project, client):
    make.task(project, prompt="Why is the **sky** blue?", responses=("Because of *air*.", "Because of the sea."))
    make.task(project)
    page = client.get(desk_of(project))
    assert page.status_code == 200
    for text in ("<strong>sky</strong>", "<em>air</em>", "Because of the sea.", project.question, "Guidelines"):
        assert text in page.text
    assert public_id(client.get(desk_of(project)).text) == public_id(page.text)
    assert page.headers["cache-control"] == "no-store"


def test_texts_choose_their_own_direction(make, project, client):
    make.task(project, prompt="مرحبا", responses=("نعم", "no"))
    page = client.get(desk_of(project)).text
    for text in ("مرحبا", "نعم"):
        assert re.search(rf'<p dir="auto">{text}', page)


def test_a_conversation_is_shown_turn_by_turn(make, project, client, db):
    task = make.task(project)
    messages = [{"role": "user", "content": "Say *hi*."}, {"role": "assistant", "content": "Hi."}]
    db.execute(
        sa.text("UPDATE prompt SET content = cast(:content AS jsonb) WHERE id = :id"),
        {"content": '{"messages": ' + str(messages).replace("'", '"') + "}", "id": task.prompt_id},
    )
    page = client.get(desk_of(project)).text
    assert "<em>hi</em>" in page
    assert page.index("turn-user") < page.index("turn-assistant")


def test_a_plain_form_is_taken_and_led_back_to_the_desk(make, project, client, db):
    make.task(project)
    answer = judge(client, project, "a3", rationale="Better.", is_flagged="true", active_ms=4000, idle_ms=10)
    assert (answer.status_code, answer.headers["location"]) == (303, desk_of(project))
    [vote] = votes(db)
    assert (vote.strength, vote.rationale, vote.is_flagged, vote.active_ms, vote.idle_ms) == (
        3,
        "Better.",
        True,
        4000,
        10,
    )
    assert vote.choice.value == ("second" if vote.is_swapped else "first")


def test_htmx_gets_the_block_of_the_next_task(make, project, client, db):
    make.task(project, prompt="The first prompt")
    make.task(project, prompt="The second prompt")
    answer = judge(client, project, headers=HTMX)
    assert answer.status_code == 200
    assert "The second prompt" in answer.text
    assert "<html" not in answer.text
    assert answer.text.lstrip().startswith("<section")
    assert 'id="desk-progress" hx-swap-oob="true"' in answer.text
    assert ">1</span>" in answer.text
    assert len(votes(db)) == 1


def test_htmx_gets_the_friendly_end(make, project, client):
    make.task(project, overlap=1)
    answer = judge(client, project, headers=HTMX)
    assert 'data-reason="all_done"' in answer.text
    assert "All done" in answer.text


@pytest.mark.parametrize(
    ("status", "text"),
    [(ProjectStatus.PAUSED, "This project is paused"), (ProjectStatus.ARCHIVED, "This project is closed")],
)
def test_a_closed_project_says_so(make, project, client, status, text):
    make.task(project)
    project.status = status
    make.commit()
    assert text in client.get(desk_of(project)).text


def test_a_paused_project_still_takes_what_is_on_the_desk(make, project, client, db):
    make.task(project)
    page = client.get(desk_of(project)).text
    project.status = ProjectStatus.PAUSED
    make.commit()
    answer = client.post(f"{desk_of(project)}/{public_id(page)}", data={**hidden(page), "choice": "b1"}, headers=HTMX)
    assert "This project is paused" in answer.text
    assert len(votes(db)) == 1


def test_an_archived_project_takes_nothing(make, project, client, db):
    make.task(project)
    page = client.get(desk_of(project)).text
    project.status = ProjectStatus.ARCHIVED
    make.commit()
    answer = client.post(f"{desk_of(project)}/{public_id(page)}", data={**hidden(page), "choice": "b1"})
    assert answer.status_code == 409
    assert votes(db) == []


def test_sent_twice_it_is_saved_once(make, project, client, db):
    make.task(project)
    page = client.get(desk_of(project)).text
    address = f"{desk_of(project)}/{public_id(page)}"
    sent = {**hidden(page), "choice": "b2"}
    assert [client.post(address, data=sent).status_code for _ in range(3)] == [303, 303, 303]
    assert client.post(address, data={**sent, "choice": "a1"}).status_code == 409
    assert len(votes(db)) == 1


def test_the_key_of_a_serving_stays_the_same(make, project, client):
    make.task(project)
    keys = {hidden(client.get(desk_of(project)).text)["idempotency_key"] for _ in range(3)}
    assert len(keys) == 1


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_form_without_an_answer_comes_back_with_what_was_typed(make, project, client, db, headers):
    make.task(project)
    page = client.get(desk_of(project)).text
    sent = {**hidden(page), "rationale": "I think <both>"}
    answer = client.post(f"{desk_of(project)}/{public_id(page)}", data=sent, headers=headers)
    assert answer.status_code == 422
    assert "Choose which response is better" in answer.text
    assert "I think &lt;both&gt;</textarea>" in answer.text
    assert public_id(answer.text) == public_id(page)
    assert votes(db) == []


def test_an_answer_outside_the_schema_keeps_the_form(make, browse, db):
    project = make.project(policy=PLAIN, schema=AnswerSchema(rationale="required"))
    make.task(project)
    client = browse(make.member(project))
    answer = judge(client, project, "b2")
    assert answer.status_code == 422
    assert "Please give your reasons" in answer.text
    assert re.search(r'value="b2"[^>]*\schecked', answer.text)
    assert judge(client, project, "b2", rationale="So.").status_code == 303


def test_times_that_went_wrong_cost_nothing(make, project, client, db):
    make.task(project)
    assert judge(client, project, active_ms="NaN", idle_ms=-5).status_code == 303
    [vote] = votes(db)
    assert (vote.active_ms, vote.idle_ms) == (None, None)


def test_a_nul_in_the_reasons_is_no_fault(make, project, client, db):
    make.task(project)
    assert judge(client, project, rationale="a\x00b").status_code == 303
    assert votes(db)[0].rationale == "a\ufffdb"


def test_an_expired_sign_in_keeps_the_form_and_saves_it_once(make, project, browse, db):
    user = make.member(project, user=make.user(password_hash=passwords.hash_password(PASSWORD)))
    client = browse(user)
    make.task(project)
    page = client.get(desk_of(project)).text
    address = f"{desk_of(project)}/{public_id(page)}"
    db.execute(sa.update(SignInSession).values(ended_at=datetime.now(UTC)))
    db.commit()
    refused = client.post(address, data={**hidden(page), "choice": "b3", "rationale": "Long thought."})
    assert refused.status_code == 401
    carried = fields(refused, "/sign-in")
    shown = client.post("/sign-in", data={**carried, "email": user.email, "password": PASSWORD})
    assert shown.status_code == 200
    assert votes(db) == []  # nothing is sent by itself
    kept = fields(shown, address)
    assert [client.post(address, data=kept).status_code for _ in range(2)] == [303, 303]
    assert [(vote.rationale, vote.strength) for vote in votes(db)] == [("Long thought.", 3)]


def test_a_stale_csrf_token_keeps_the_form(make, project, client, db):
    make.task(project)
    page = client.get(desk_of(project)).text
    address = f"{desk_of(project)}/{public_id(page)}"
    sent = {**hidden(page), "choice": "b3", "csrf_token": "of-yesterday"}
    token = client.headers.pop("X-CSRF-Token")
    refused = client.post(address, data=sent)
    assert refused.status_code == 403
    kept = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', refused.text))
    assert client.post(address, data=kept).status_code == 303
    assert len(votes(db)) == 1
    client.headers["X-CSRF-Token"] = token


def test_a_late_answer_is_credited_and_said_to_be_late(make, project, client, db, annotators, clerk):
    make.task(project, overlap=1)
    page = client.get(desk_of(project)).text
    db.execute(sa.update(Assignment).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    db.commit()
    clerk.now = datetime.now(UTC)
    clerk.submit(clerk.next(project, annotators[0]))
    answer = client.post(f"{desk_of(project)}/{public_id(page)}", data={**hidden(page), "choice": "b1"})
    assert answer.headers["location"] == f"{desk_of(project)}?said=late"
    assert "kept and credited to you" in client.get(answer.headers["location"]).text
    assert [vote.standing.value for vote in votes(db)] == ["counted", "late"]
    assert "late: kept, not counted" in client.get(f"{desk_of(project)}/history").text


def test_new_guidelines_reload_the_page_with_them(make, project, client):
    make.task(project)
    make.task(project)
    page = client.get(desk_of(project)).text
    make.guideline(project, 2, "# New\n\nBe kind.")
    make.commit()
    address = f"{desk_of(project)}/{public_id(page)}"
    answer = client.post(address, data={**hidden(page), "choice": "b1"}, headers=HTMX)
    assert answer.headers["hx-redirect"] == f"{desk_of(project)}?said=guidelines"
    page = client.get(answer.headers["hx-redirect"]).text
    assert "Be kind." in page
    assert "The guidelines have changed" in page


def test_skip_with_a_reason(make, project, client, db):
    make.task(project, prompt="The first prompt")
    make.task(project, prompt="The second prompt")
    page = client.get(desk_of(project)).text
    address = f"{desk_of(project)}/{public_id(page)}/skip"
    refused = client.post(address, data={**hidden(page), "skip_reason": "bored"})
    assert (refused.status_code, "Choose a reason" in refused.text) == (422, True)
    answer = client.post(address, data={**hidden(page), "skip_reason": "harmful", "note": "x"}, headers=HTMX)
    assert "The second prompt" in answer.text
    skipped = db.scalars(sa.select(Assignment).where(Assignment.skip_reason.is_not(None))).one()
    assert (skipped.skip_reason, skipped.skip_note) == ("harmful", "x")


def test_heartbeat_and_stop(make, project, client, db):
    task = make.task(project)
    page = client.get(desk_of(project)).text
    address = f"{desk_of(project)}/{public_id(page)}"
    assert client.post(f"{address}/heartbeat").status_code == 204
    stopped = client.post(f"{address}/return", data=hidden(page))
    assert (stopped.status_code, stopped.headers["location"]) == (303, "/")
    assert client.post(f"{address}/heartbeat").status_code == 409
    assert db.scalar(sa.select(Task.n_leased).where(Task.id == task.id)) == 0


def test_undo_opens_the_last_judgement_and_an_edit_appends(make, project, client, db):
    make.task(project)
    judge(client, project, "a3", rationale="First thought.")
    where = client.get(f"{desk_of(project)}/last").headers["location"]
    page = client.get(where).text
    assert "First thought." in page
    assert re.search(r'value="a3"[^>]*\schecked', page)
    sent = {**hidden(page), "choice": "b1", "rationale": "Second thought."}
    answer = client.post(where, data=sent)
    assert answer.headers["location"] == f"{desk_of(project)}?said=changed"
    assert client.post(where, data=sent).status_code == 303
    assert client.post(where, data={**sent, "choice": "tie"}).status_code == 409
    assert [(vote.revision, vote.rationale) for vote in votes(db)] == [(1, "First thought."), (2, "Second thought.")]
    assert "B better (1)" in client.get(f"{desk_of(project)}/history").text


def test_undo_without_a_judgement_shows_the_empty_history(make, project, client):
    where = client.get(f"{desk_of(project)}/last").headers["location"]
    assert where == f"{desk_of(project)}/history"
    assert "Nothing yet" in client.get(where).text


def test_an_edit_without_an_answer_comes_back(make, project, client):
    make.task(project)
    judge(client, project, "a3")
    where = client.get(f"{desk_of(project)}/last").headers["location"]
    page = client.get(where).text
    answer = client.post(where, data={**hidden(page), "choice": "", "rationale": "kept"})
    assert (answer.status_code, "kept</textarea>" in answer.text) == (422, True)


def test_history_pages_through_all_judgements(make, project, client):
    for n in range(30):
        make.task(project, prompt=f"Prompt {n:02}")
        judge(client, project)
    first = client.get(f"{desk_of(project)}/history").text
    older = re.search(r'href="([^"]+cursor=\d+)"', first)
    second = client.get(unescape(older.group(1))).text
    shown = re.findall(r"Prompt \d\d", first) + re.findall(r"Prompt \d\d", second)
    assert shown == [f"Prompt {n:02}" for n in reversed(range(30))]


def test_another_persons_assignment_is_not_found(make, project, client, browse):
    make.task(project, overlap=2)
    page = client.get(desk_of(project)).text
    other = browse(make.member(project))
    address = f"{desk_of(project)}/{public_id(page)}"
    for deed in ("", "/skip", "/heartbeat", "/return"):
        assert other.post(address + deed, data=hidden(page)).status_code == 404
    judge(client, project)
    edit = f"{desk_of(project)}/edit/{public_id(page)}"
    assert (other.get(edit).status_code, other.post(edit).status_code) == (404, 404)


def test_an_own_assignment_under_another_project_is_not_found(make, project, client, person):
    make.task(project)
    page = client.get(desk_of(project)).text
    elsewhere = make.project()
    make.member(elsewhere, user=person)
    answer = client.post(f"{desk_of(elsewhere)}/{public_id(page)}", data={**hidden(page), "choice": "a1"})
    assert answer.status_code == 404


def test_strangers_do_not_find_the_desk(make, project, browse):
    stranger = browse(make.user())
    for path in ("", "/history", "/last"):
        assert stranger.get(desk_of(project) + path).status_code == 404


def test_nothing_on_the_page_tells_what_must_stay_hidden(make, project, client, db):
    """Ids far apart from any other number make each of them findable in page and headers."""
    for table, start in (
        ("task", 7_310_000),
        ("prompt", 7_320_000),
        ("response", 7_330_000),
        ("assignment", 7_340_000),
    ):
        db.execute(sa.text(f"ALTER SEQUENCE {table}_id_seq RESTART WITH {start}"))
    task = make.task(project, gold="second")
    db.execute(sa.text("UPDATE task SET kind = 'regular', tags = '{secret-tag}', domain = 'secret-domain'"))
    db.execute(sa.text("UPDATE response SET meta = '{\"quality\": 0.8125}', model = 'secret-model-' || position"))
    db.execute(sa.text("UPDATE prompt SET external_id = 'secret-external'"))
    db.commit()
    answers = [client.get(desk_of(project)), client.get(desk_of(project), headers=HTMX)]
    answers.append(judge(client, project, headers=HTMX))
    answers.append(client.get(f"{desk_of(project)}/history"))
    answers.append(client.get(client.get(f"{desk_of(project)}/last").headers["location"]))
    assert task.id == 7_310_000
    for answer in answers:
        told = answer.text + str(answer.headers)
        for secret in ("secret-", "model-", "0.8125", "73100", "73200", "73300", "73400"):
            assert secret not in told, secret
        for word in (r"\bgold", "swapped", r"overlap", r"Because it is right", r"external", r"standing"):
            found = re.search(word, answer.text, re.IGNORECASE)
            assert not found, found


def test_a_gold_task_looks_like_any_other(make, browse, db):
    """Two people, the same texts, one as gold: the answers differ by names of servings only."""
    project = make.project(policy=Policy(overlap=1, gold_rate=0.5))
    make.task(project, prompt="Same", gold="first")
    make.task(project, prompt="Same", overlap=9)
    seen = {}
    for _ in range(60):
        client = browse(make.member(project))
        page = client.get(desk_of(project))
        db.expire_all()
        [reason] = db.scalars(sa.select(Assignment.overlap_reason).where(Assignment.public_id == public_id(page.text)))
        texts = re.findall("The (?:first|second) response", page.text)
        plain = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{64}|data-lease-until=\S+", "", page.text)
        told = ([name for name in page.headers if name != "content-length"], plain)
        seen.setdefault((reason.value, tuple(texts)), told)
        if len(seen) == 4:
            break
    for sides in {texts for _, texts in seen}:
        if ("gold", sides) in seen and ("base", sides) in seen:
            assert seen["gold", sides] == seen["base", sides]
            return
    pytest.fail("no pair of a gold and another serving was drawn in 60 servings")


@pytest.mark.parametrize(
    ("policy", "most"),
    [
        (Policy(overlap=1, gold_rate=0.0, repeat_rate=0.0), 11),
        (Policy(overlap=1, gold_rate=0.5, repeat_rate=0.5), 12),
        (Policy(overlap=1, max_overlap=3, gold_rate=0.0, repeat_rate=0.5), 13),
    ],
    ids=["plain", "with gold and repeats", "where votes are weighed"],
)
def test_submit_and_next_take_few_statements(make, browse, count_statements, policy, most):
    project = make.project(policy=policy)
    client = browse(make.member(project))
    for _ in range(12):
        make.task(project, overlap=1)
    page = client.get(desk_of(project)).text
    for _ in range(3):
        with count_statements() as counted:
            answer = client.post(
                f"{desk_of(project)}/{public_id(page)}", data={**hidden(page), "choice": "b2"}, headers=HTMX
            )
        page = answer.text
        assert len(counted) <= most, "\n".join(counted)


def test_opening_the_desk_takes_few_statements(make, project, client, count_statements):
    make.task(project)
    client.get("/healthz")
    with count_statements() as counted:
        client.get(desk_of(project))
    assert len(counted) <= 11, "\n".join(counted)


def test_an_api_token_of_somebody_else_does_not_open_the_desk(make, project, browse):
    make.task(project)
    token, _ = new_token("accord_")
    assert browse(None, Authorization=f"Bearer {token}").get(desk_of(project)).status_code in (303, 401)


def test_the_guidelines_that_stood_beside_it_are_on_the_vote(make, project, client, db):
    make.task(project)
    newest = make.guideline(project, 2, "# Second")
    make.commit()
    judge(client, project)
    assert votes(db)[0].guideline_version_id == newest.id
    assert db.scalar(sa.select(sa.func.count()).select_from(GuidelineVersion)) == 2


@pytest.mark.parametrize(
    ("own", "projects", "shown"),
    [
        ("Blood <b>", "", "Blood &lt;b&gt;"),
        ("Blood", "War", "Blood"),
        (None, "War", "War"),
        (True, "War", "War"),
        (True, "", "This task may disturb you."),
        (False, "", None),
        (None, "", None),
    ],
)
def test_a_task_is_covered_where_it_or_its_project_warns(make, project, client, db, own, projects, shown):
    task = make.task(project)
    if own is not None:
        db.get_one(Prompt, task.prompt_id).meta = {"content_warning": own}
    project.content_warning = projects
    db.commit()
    page = client.get(desk_of(project)).text
    assert ('class="content-warning"' in page) == (shown is not None)
    assert (shown or "") in page
    said = client.post(f"/api/v1/projects/{project.id}/next").json()["assignment"]["content_warning"]
    assert said == (unescape(shown) if shown else None)

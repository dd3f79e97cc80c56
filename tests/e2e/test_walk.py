"""From the set-up link to a counted vote, as people do it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e import people
from tests.e2e.conftest import shoot

pytestmark = pytest.mark.e2e

TASKS = 6
GUIDELINES = (
    "# How to judge\n\nPrefer the answer that is **right**.\n\n## Example\n\n> It is 4.\n\nis better than a refusal."
)


@pytest.fixture(scope="module")
def walk(stack, chromium, admin_state, tmp_path_factory):
    """What the walk leaves for the tests after it: the admin's sign-in, the project and the invitations."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, storage_state=admin_state)
    page = context.new_page()
    project = people.make_project(page, stack.url, name="Sums", overlap=2)
    people.publish_guidelines(page, stack.url, project, GUIDELINES)
    path = people.write_jsonl(tmp_path_factory.mktemp("import") / "sums.jsonl", people.rows(TASKS))
    people.import_file(page, stack.url, project, path, tasks=TASKS)
    links = [people.invite(page, stack.url, project) for _ in range(2)]
    yield {"project": project, "links": links, "state": context.storage_state(), "admin": page}
    context.close()


def test_two_annotators_judge_at_once_by_keyboard_and_each_vote_is_counted(walk, stack, open_browser):
    desk = f"{stack.url}/projects/{walk['project']}/judge"
    first, second = open_browser(), open_browser(width=390, height=844, dark=True)
    people.join(first, walk["links"][0], name="Bea", email="bea@example.org")
    people.join(second, walk["links"][1], name="Carl", email="carl@example.org")
    first.goto(desk)
    second.goto(desk)
    expect(first.get_by_role("article")).to_have_count(2)
    assert "good-model" not in first.content()
    shoot(first, "desk-desktop-light")
    shoot(second, "desk-phone-dark")

    # In turns, so that both hold work at the same time.
    for page in (first, second, first, second):
        before = page.locator("#choice-form").get_attribute("action")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        page.wait_for_function(
            "before => document.querySelector('#choice-form')?.getAttribute('action') !== before", arg=before
        )
    assert people.judge_all(first, "7", most=TASKS) == TASKS - 2
    assert people.judge_all(second, "4", most=TASKS) == TASKS - 2
    shoot(first, "desk-empty")

    first.keyboard.press("u")
    first.goto(f"{desk}/last")
    expect(first.locator("input[name=choice]:checked")).to_have_value("b3")
    first.keyboard.press("4")
    first.keyboard.press("Enter")
    first.wait_for_url("**/judge**")

    admin = walk["admin"]
    admin.goto(f"{stack.url}/projects/{walk['project']}/tasks?status=done")
    expect(admin.locator("tbody tr")).to_have_count(TASKS)
    shoot(admin, "tasks-desktop-light")
    answer = admin.request.get(f"{stack.url}/api/v1/projects/{walk['project']}/overview").json()
    assert (answer["tasks"]["n_done"], answer["tasks"]["n_counted"]) == (TASKS, 2 * TASKS)
    admin.get_by_role("link", name="What is 1 plus 1?").click()
    expect(admin.get_by_text("good-model").first).to_be_visible()
    shoot(admin, "task-desktop-light")


def test_without_javascript_a_judgement_is_taken_too(stack, chromium, admin_state, open_browser, tmp_path):
    context = chromium.new_context(storage_state=admin_state)
    admin = context.new_page()
    project = people.make_project(admin, stack.url, name="Plain forms", overlap=1)
    people.import_file(admin, stack.url, project, people.write_jsonl(tmp_path / "two.jsonl", people.rows(2)), tasks=2)
    link = people.invite(admin, stack.url, project)
    page = open_browser(javascript=False)
    people.join(page, link, name="Dora", email="dora@example.org")
    page.goto(f"{stack.url}/projects/{project}/judge")
    for value in ("b2", "both_bad"):
        page.locator(f"input[name=choice][value={value}]").check(force=True)
        page.get_by_role("button", name="Send").click()
    expect(page.locator("section.task-empty")).to_be_visible()
    answer = admin.request.get(f"{stack.url}/api/v1/projects/{project}/overview").json()
    assert answer["tasks"]["n_counted"] == 2
    context.close()


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_pages_fit_their_window_in_every_look(walk, stack, chromium, watch, width, dark):
    """No page scrolls sideways; a picture of each is kept for people to look at."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        storage_state=walk["state"],
    )
    page = context.new_page()
    watch.on(page)
    look = f"{'phone' if width == 390 else 'desktop'}-{'dark' if dark else 'light'}"
    base = f"/projects/{walk['project']}"
    addresses = {
        "home": "/",
        "overview": base,
        "tasks": f"{base}/tasks",
        "guidelines": f"{base}/guidelines",
        "guidelines-edit": f"{base}/guidelines/edit",
        "project-people": f"{base}/people",
        "import": f"{base}/import",
        "jobs": f"{base}/jobs",
        "audit": f"{base}/audit",
        "settings": f"{base}/settings",
        "history": f"{base}/judge/history",
        "projects": "/projects",
        "new-project": "/projects/new",
        "people": "/people",
        "consent-text": "/people/consent",
        "instance-audit": "/audit",
        "inbox": "/inbox",
        "account": "/account",
    }
    wide = []
    for name, address in addresses.items():
        answer = page.goto(stack.url + address)
        assert answer is not None and answer.status == 200, address
        shoot(page, f"{name}-{look}")
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"):
            wide.append(name)
    context.close()
    assert wide == []

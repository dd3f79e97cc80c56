"""Hostile text in every field that people fill in, on every page that shows it, in a real browser.

Nothing runs, no dialog opens, no request leaves the origin, and the content security policy has nothing to refuse:
the text was already harmless when it arrived.
"""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page

from app.web.render import environment
from app.web.responses import show
from app.web.security import SECURITY_HEADERS
from tests.e2e import people
from tests.support.hostile import PAYLOADS

pytestmark = pytest.mark.e2e

USED = PAYLOADS[:120]
VIEWS = (
    '<!doctype html><title>Payloads</title>{% from "components/response.html" import difference_switch, raw_switch, '
    "shown_response %}{% for texts in pairs %}<section>{{ difference_switch(texts) }}{% for text in texts %}"
    "{{ raw_switch(loop.index) }}{{ shown_response(text) }}{% endfor %}</section>{% endfor %}"
)
NAMES = [payload.text.replace("\x00", "").replace("\n", " ")[:90] for payload in PAYLOADS if len(payload.text) < 400]


def post(page: Page, url: str, address: str, body: dict[str, object], method: str = "post") -> dict[str, object]:
    """The JSON API as this page's person, with the page's token."""
    token = page.locator("input[name=csrf_token]").first.input_value()
    answer = getattr(page.request, method)(f"{url}{address}", data=body, headers={"X-CSRF-Token": token})
    assert answer.ok, (address, answer.status, answer.text())
    return answer.json() if answer.status != 204 else {}


def unharmed(page: Page) -> None:
    assert page.evaluate("window.__pwned") is None, page.url


@pytest.fixture(scope="module")
def besieged(stack, chromium, admin_state, tmp_path_factory):
    """A project whose every text is hostile."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, storage_state=admin_state)
    page = context.new_page()
    page.goto(stack.url)
    made = post(
        page,
        stack.url,
        "/api/v1/projects",
        {"name": NAMES[0], "question": NAMES[1], "guidelines": "", "policy": {"overlap": 2}},
    )
    project = int(made["id"])
    items = [
        {
            "task_id": f"{number} {payload.text.replace(chr(0), '')[:60]}",
            "prompt": payload.text.replace("\x00", "") + f"\n\n{number}",
            "responses": [
                {"text": payload.text.replace("\x00", "") + "\n\none", "model": NAMES[number % len(NAMES)]},
                {"text": "two\n\n" + payload.text.replace("\x00", ""), "model": NAMES[(number + 1) % len(NAMES)]},
            ],
            "tags": [NAMES[number % len(NAMES)][:60]],
            "domain": NAMES[number % len(NAMES)][:60],
            "metadata": {"content_warning": payload.text.replace("\x00", "")[:200]},
        }
        for number, payload in enumerate(USED)
    ]
    path = tmp_path_factory.mktemp("hostile") / "<img src=x onerror=alert(1)>.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    people.import_file(page, stack.url, project, path, tasks=len(items))
    every = "\n\n".join(payload.text.replace("\x00", "") for payload in PAYLOADS)
    page.goto(f"{stack.url}/projects/{project}/guidelines/edit")
    page.locator("textarea[name=body]").fill(every)
    page.get_by_role("button", name="Publish").click()
    page.wait_for_url("**/guidelines*")
    hostile_notes(page, stack.url, project)
    yield {"project": project, "state": context.storage_state()}
    context.close()


def hostile_notes(page: Page, url: str, project: int) -> None:
    """The smaller fields: notes of a skip and of an invitation, questions and answers, a message."""
    for number in range(10):
        on_desk = post(page, url, f"/api/v1/projects/{project}/next", {})["assignment"]
        assert isinstance(on_desk, dict)
        note = {"reason": "other", "note": USED[number].text.replace("\x00", "")[:400]}
        post(page, url, f"/api/v1/assignments/{on_desk['public_id']}/skip", note)
    questions = f"/api/v1/projects/{project}/guidelines/questions"
    for number in range(10):
        text = USED[number].text.replace("\x00", "")
        asked = post(page, url, questions, {"text": text[:2000]})
        answer = {"answer": text[:2000], "is_shared": True, "is_example": True}
        post(page, url, f"{questions}/{asked['id']}/answer", answer, "put")
    # What is covered could not do its worst.
    post(page, url, "/api/v1/account/reading", {"covers_warned": False}, "put")
    made = {}
    for name in NAMES[:5]:
        made = post(page, url, f"/api/v1/projects/{project}/invitations", {"role": "annotator", "note": name})
    guest = page.context.browser.new_context()  # type: ignore[union-attr]
    people.join(guest.new_page(), str(made["url"]), name=NAMES[2], email="guest@example.org")
    guest.close()
    members = post(page, url, f"/api/v1/projects/{project}/members", {}, "get")["items"]
    assert isinstance(members, list)
    for member in members:
        for payload in USED[:5]:
            text = payload.text.replace("\x00", "")
            body = {"subject": text.replace("\n", " ")[:140], "body": text}
            post(page, url, f"/api/v1/people/{member['user_id']}/messages", body)


@pytest.fixture
def page(besieged, chromium, watch):
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, storage_state=besieged["state"])
    found = context.new_page()
    found.on("dialog", lambda dialog: watch.faults.append(f"dialog: {dialog.message}"))
    watch.on(found)
    yield found
    context.close()


def test_the_trap_works(chromium):
    """Put into a page as they are, the payloads do run: what the other tests wait for can happen."""
    page = chromium.new_page()
    page.route("**/*", lambda route: route.abort())
    fired = 0
    for payload in USED[:30]:
        page.set_content(f"<body>{payload.text}</body>")
        fired += page.evaluate("window.__pwned") is not None
        page.evaluate("delete window.__pwned")
    page.close()
    assert fired >= 5


def test_every_payload_is_harmless_in_each_view_of_a_response(stack, chromium, watch):
    """All of them on one page of this origin, under its policy: drawn, as written, and beside one nearly the same."""
    near = "one two three four five six seven eight nine ten " * 20
    pairs = [
        show([payload.text + "\n\n" + near + "A", payload.text + "\n\n" + near + "B"], lang=None, image_label="image")
        for payload in PAYLOADS
    ]
    html = environment().from_string(VIEWS).render(pairs=pairs)
    page = chromium.new_page()
    page.set_default_timeout(60_000)
    page.on("dialog", lambda dialog: watch.faults.append(f"dialog: {dialog.message}"))
    watch.on(page)
    address = f"{stack.url}/every-payload"
    headers = {**SECURITY_HEADERS, "Content-Type": "text/html; charset=utf-8"}
    page.route(address, lambda route: route.fulfill(body=html.encode("utf-8", "replace"), headers=headers))
    page.goto(address)
    unharmed(page)
    page.evaluate("for (const view of document.querySelectorAll('[data-view]')) view.click()")
    unharmed(page)
    links = page.eval_on_selector_all("a[href]", "found => found.map(one => one.protocol)")
    assert set(links) <= {"http:", "https:", "mailto:"}
    assert page.locator("math").count() > 10
    assert page.locator(".differs").count() >= len(PAYLOADS)
    assert page.locator("script, style, img, svg:not(.icon), iframe, object, embed, form, template, base").count() == 0
    page.close()


def test_the_desk_shows_hostile_comparisons_and_takes_hostile_reasons(besieged, stack, page):
    page.goto(f"{stack.url}/projects/{besieged['project']}/judge")
    for number in range(len(USED) - 10):
        for view in page.locator("[data-view]").all():
            view.check(force=True)
        unharmed(page)
        before = page.locator("#choice-form").get_attribute("action")
        page.keyboard.press("r")
        page.locator("textarea[name=rationale]").fill(USED[number].text.replace("\x00", ""))
        page.keyboard.press("Escape")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        page.wait_for_function(
            "before => document.querySelector('#choice-form')?.getAttribute('action') !== before", arg=before
        )
    unharmed(page)
    page.goto(f"{stack.url}/projects/{besieged['project']}/judge/history")
    unharmed(page)


def test_every_page_shows_hostile_text_harmlessly(besieged, stack, page):
    base = f"{stack.url}/projects/{besieged['project']}"
    for name in (
        "",
        "tasks",
        "guidelines",
        "guidelines?q=a",
        "guidelines/questions",
        "guidelines/edit",
        "import",
        "jobs",
        "audit",
        "settings",
        "people",
    ):
        page.goto(f"{base}/{name}".rstrip("/"))
        unharmed(page)
    for address in ("/", "/people", "/audit", "/inbox", "/account"):
        page.goto(stack.url + address)
        unharmed(page)
    for link in page_links(page, stack.url, "/inbox", r"/inbox/\d+") | page_links(
        page, stack.url, "/people", r"/people/\d+"
    ):
        page.goto(stack.url + link)
        unharmed(page)


def page_links(page: Page, url: str, address: str, pattern: str) -> set[str]:
    """The addresses on a page that look like the pattern."""
    page.goto(url + address)
    links = page.eval_on_selector_all("a[href]", "found => found.map(one => one.getAttribute('href'))")
    return {link for link in links if re.fullmatch(pattern, link)}


def test_every_task_page_shows_hostile_text_harmlessly(besieged, stack, page):
    base = f"/projects/{besieged['project']}/tasks"
    seen = set()
    page.goto(stack.url + base)
    while True:
        unharmed(page)
        links = page.eval_on_selector_all("tbody a[href]", "found => found.map(one => one.getAttribute('href'))")
        seen |= {link for link in links if re.fullmatch(rf"{base}/\d+", link)}
        following = page.get_by_role("link", name="Next", exact=False)
        if not following.count():
            break
        page.goto(stack.url + (following.first.get_attribute("href") or ""))
    assert len(seen) == len(USED)
    for link in sorted(seen):
        page.goto(stack.url + link)
        unharmed(page)


def test_names_and_messages_of_people_are_harmless(besieged, stack, page):
    page.goto(f"{stack.url}/account")
    for name in NAMES[:40]:
        page.goto(f"{stack.url}/account")
        page.get_by_label("Your name").fill(name)
        page.get_by_role("button", name="Save").first.click()
        page.wait_for_load_state()
        unharmed(page)
    for address in ("/", "/people", "/audit"):
        page.goto(stack.url + address)
        unharmed(page)

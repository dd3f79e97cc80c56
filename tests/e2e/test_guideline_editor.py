"""The guideline editor while one types: every key is saved, and nobody is overtaken by themselves."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.people import make_project

pytestmark = pytest.mark.e2e

# Answers come late, and each wish to save is told, the one that has to wait too.
SLOW = """() => {
  const fast = window.fetch;
  document.addEventListener("htmx:config:request", () => console.info("asked to save"));
  window.fetch = async (...sent) => { await new Promise((done) => setTimeout(done, 1500)); return fast(...sent); };
}"""


@pytest.fixture
def editor(stack, admin_state, open_browser):
    """A page with the editor of a new project, signed in as the admin."""
    page = open_browser()
    page.context.add_cookies(admin_state["cookies"])
    project = make_project(page, stack.url, name="Guidelines while typing")
    page.goto(f"{stack.url}/projects/{project}/guidelines/edit")
    return page


def test_saves_that_wait_for_each_other_are_no_conflict(editor):
    answers = []
    editor.on("response", lambda answer: answers.append(answer.status) if answer.request.method == "POST" else None)
    editor.evaluate(SLOW)
    text = editor.locator("#field-body")
    for words in ("Be fair.", " Be kind.", " Be quick."):
        with editor.expect_event("console", lambda message: message.text == "asked to save"):
            text.press_sequentially(words)
    expect(editor.locator(".editor-preview")).to_contain_text("Be fair. Be kind. Be quick.")
    assert set(answers) == {200}
    editor.reload()
    expect(text).to_have_value("Be fair. Be kind. Be quick.")


def test_two_windows_keep_both_texts_until_one_is_chosen(editor, open_browser, admin_state):
    editor.locator("#field-body").fill("One window")
    expect(editor.locator("#draft-state")).to_contain_text("Draft saved")
    other = open_browser()
    other.context.add_cookies(admin_state["cookies"])
    other.goto(editor.url)
    other.locator("#field-body").fill("The other window")
    expect(other.locator(".editor-preview")).to_contain_text("The other window")
    editor.locator("#field-body").fill("One window again")
    expect(editor.locator("#draft-state")).to_contain_text("Two texts")
    expect(editor.locator("#field-body")).to_have_value("One window again")
    editor.get_by_role("button", name="Keep mine").click()
    expect(editor.locator("#draft-state")).to_contain_text("Draft saved")
    other.reload()
    expect(other.locator("#field-body")).to_have_value("One window again")


def test_enter_in_the_note_saves_and_does_not_publish(editor):
    editor.locator("#field-body").fill("Be fair.")
    note = editor.get_by_label("What changed")
    note.fill("First words")
    note.press("Enter")
    expect(editor.locator("#draft-state")).to_contain_text("It is not published yet.")
    expect(note).to_have_value("First words")

"""What people do in the browser, as steps that several tests share."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page, expect

PASSPHRASE = "seven calm otters cross the river"


def set_up(page: Page, setup_url: str, *, name: str = "Ada Admin", email: str = "ada@example.org") -> None:
    """The first admin, by the one-time link."""
    page.goto(setup_url)
    fill_person(page, name, email)
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("heading", name="Hello, Ada Admin")).to_be_visible()


def fill_person(page: Page, name: str, email: str) -> None:
    page.get_by_label("Your name").fill(name)
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSPHRASE)
    page.locator("[name=has_consented]").check()


def make_project(page: Page, url: str, *, name: str, overlap: int = 2) -> int:
    """A project through the form; returns its number."""
    page.goto(f"{url}/projects/new")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Overlap").fill(str(overlap))
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    return int(page.url.rstrip("/").split("/projects/")[1].split("/")[0])


def publish_guidelines(page: Page, url: str, project: int, body: str) -> None:
    page.goto(f"{url}/projects/{project}/guidelines/edit")
    page.locator("textarea[name=body]").fill(body)
    page.get_by_role("button", name="Publish").click()
    page.wait_for_url("**/guidelines*")


def rows(count: int) -> list[dict[str, object]]:
    return [
        {
            "task_id": f"row-{number}",
            "prompt": f"What is {number} plus {number}?",
            "responses": [
                {"text": f"It is **{number * 2}**.", "model": "good-model"},
                {"text": "I would rather not say.", "model": "bad-model"},
            ],
            "tags": ["sums"],
        }
        for number in range(1, count + 1)
    ]


def write_jsonl(path: Path, items: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def import_file(page: Page, url: str, project: int, path: Path, *, tasks: int) -> None:
    """Upload, read the preview, import, and wait for the job to end."""
    page.goto(f"{url}/projects/{project}/import")
    page.get_by_label("File", exact=True).set_input_files(path)
    page.get_by_role("button", name="Upload and preview").click()
    page.get_by_role("button", name=f"Import {tasks} task").click()
    expect(page.get_by_text("Done", exact=False).first).to_be_visible(timeout=60_000)


def invite(page: Page, url: str, project: int, role: str = "Annotator") -> str:
    """A fresh invitation link."""
    page.goto(f"{url}/projects/{project}/people")
    page.get_by_role("radio", name=role).check()
    page.get_by_role("button", name="Make an invitation").click()
    return page.locator("input[readonly]").first.input_value()


def join(page: Page, link: str, *, name: str, email: str) -> None:
    page.goto(link)
    fill_person(page, name, email)
    page.get_by_role("button", name="Join").click()
    page.wait_for_url(lambda address: "/invitations/" not in address)


def judge_all(page: Page, key: str, *, most: int) -> int:
    """Judge with the keyboard alone until nothing is left; how many were judged."""
    for done in range(most + 1):
        if page.locator("section.task-empty").count():
            return done
        before = page.locator("#choice-form").get_attribute("action")
        page.keyboard.press(key)
        page.keyboard.press("Enter")
        page.wait_for_function(
            "before => document.querySelector('#choice-form')?.getAttribute('action') !== before", arg=before
        )
    raise AssertionError(f"more than {most} tasks were handed out")

"""The desk in a real browser where things go wrong: a lease that ends, a line that breaks, no JavaScript at all."""

import pytest

from tests.integrity.conftest import world
from tests.integrity.web import cookie, sign_in, web
from tests.support.browsing import VISIT

pytestmark = pytest.mark.e2e
__all__ = ["world"]


@pytest.fixture
def desk(world):
    """(world, address of a desk with six tasks, cookies of its annotator)."""
    people = world.people(1)
    [project_id] = world.projects(1, tasks=6, overlap=2, members=people)
    sign_in(world, people)
    with web(world) as [address]:
        cookies = [
            {"name": name, "value": value, "url": address}
            for name, value in (("accord_visit", VISIT), ("accord_session", cookie(people[0])))
        ]
        yield world, f"{address}/projects/{project_id}/judge", cookies


@pytest.fixture
def person(chromium, desk):
    """person(**context) -> a page on which the annotator is signed in, and that reports faults of scripts."""
    contexts, faults = [], []

    def opening(**how):
        context = chromium.new_context(viewport={"width": 1280, "height": 800}, **how)
        context.set_default_timeout(15_000)
        context.add_cookies(desk[2])
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        return page

    yield opening
    for context in contexts:
        context.close()
    assert faults == []


def count(world):
    return world.value("SELECT count(*) FROM annotation")


def test_the_page_says_when_the_lease_has_ended_and_the_answer_still_counts(desk, person):
    world, address, _ = desk
    page = person()
    page.goto(address)
    world.sql("UPDATE assignment SET state = 'expired', closed_at = now(), expires_at = now()")
    world.sql("UPDATE task SET n_leased = 0")
    page.mouse.move(50, 50)
    page.evaluate("window.dispatchEvent(new Event('online'))")
    page.locator("[data-lease-ended]").wait_for(state="visible")
    page.keyboard.press("t")
    page.keyboard.press("Enter")
    page.get_by_text("judgement today, 1 in all").wait_for()
    assert [tuple(row) for row in world.sql("SELECT standing, choice FROM annotation")] == [("counted", "tie")]


def test_a_broken_line_keeps_the_answer_and_it_is_saved_once(desk, person):
    world, address, _ = desk
    page = person()
    page.goto(address)
    page.context.set_offline(True)
    page.keyboard.press("r")
    page.keyboard.type("A long thought.")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.locator("[data-connection-lost]").wait_for(state="visible")
    assert count(world) == 0
    page.context.set_offline(False)
    page.keyboard.press("Enter")
    page.get_by_text("judgement today, 1 in all").wait_for()
    assert [tuple(row) for row in world.sql("SELECT rationale, strength FROM annotation")] == [("A long thought.", 3)]


def test_flag_skip_with_a_note_and_undo_by_keyboard(desk, person):
    world, address, _ = desk
    page = person()
    page.goto(address)
    for key in ("f", "6", "Enter"):
        page.keyboard.press(key)
    page.get_by_text("judgement today, 1 in all").wait_for()
    first = page.locator("#choice-form").get_attribute("action")
    page.keyboard.press("s")
    page.get_by_placeholder("A note, if you like").fill("Not for me.")
    page.keyboard.press("Enter")
    assert page.locator("#choice-form").get_attribute("action") == first  # a note alone is no reason
    page.get_by_role("button", name="I do not know enough about it").click()
    page.locator(f"#choice-form:not([action='{first}'])").wait_for()
    skipped = world.sql("SELECT skip_reason, skip_note FROM assignment WHERE state = 'skipped'")
    assert [tuple(row) for row in skipped] == [("not_my_field", "Not for me.")]
    page.keyboard.press("u")
    page.get_by_text("You are changing a judgement").wait_for()
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    page.get_by_text("Your change was saved.").wait_for()
    kept = world.sql("SELECT revision, strength, is_flagged FROM annotation ORDER BY id")
    assert [tuple(row) for row in kept] == [(1, 2, True), (2, 0, True)]


def test_without_javascript_everything_is_there(desk, person):
    world, address, _ = desk
    page = person(java_script_enabled=False)
    page.goto(address)
    page.locator("input[value=b2]").check(force=True)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("judgement today, 1 in all").wait_for()
    page.get_by_role("link", name="Undo last").click()
    page.locator("input[value=both_bad]").check(force=True)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Your change was saved.").wait_for()
    page.locator(".skip summary").click()
    page.get_by_role("button", name="Another reason").click()
    page.get_by_role("link", name="History").click()
    page.get_by_text("Both bad").wait_for()
    page.get_by_role("link", name="Back to judging").click()
    page.get_by_role("button", name="Stop for now").click()
    states = world.sql("SELECT state, count(*) FROM assignment GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in states] == [("returned", 1), ("skipped", 1), ("submitted", 1)]
    assert count(world) == 2


NEAR = "So it was **two** miles, or $x^2$, from the house to the "


def make_nearly_the_same(world):
    world.sql(f"UPDATE response SET text = '{NEAR}' || CASE position WHEN 0 THEN 'sea' ELSE 'lake' END")


def test_differences_are_shown_by_a_key_and_stay_for_the_next_task(desk, person):
    world, address, _ = desk
    make_nearly_the_same(world)
    page = person()
    page.goto(address)
    assert page.locator(".shown-drawn math").first.is_visible()
    assert not page.locator(".differs").first.is_visible()
    page.keyboard.press("d")
    assert sorted(page.locator(".differs").evaluate_all("all => all.map(one => one.childNodes[1].data)")) == [
        "lake",
        "sea",
    ]
    assert page.locator(".differs").first.is_visible()
    assert not page.locator(".shown-drawn").first.is_visible()
    first = page.locator("#choice-form").get_attribute("action")
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    page.locator(f"#choice-form:not([action='{first}'])").wait_for()
    assert page.locator(".differs").first.is_visible()
    page.keyboard.press("d")
    page.reload()
    assert not page.locator(".differs").first.is_visible()
    assert count(world) == 1


def test_without_javascript_a_response_can_be_seen_as_it_was_written(desk, person):
    world, address, _ = desk
    make_nearly_the_same(world)
    page = person(java_script_enabled=False)
    page.goto(address)
    page.get_by_label("As written, B").check(force=True)
    assert page.locator(".response-b .shown-raw").inner_text().startswith(NEAR[:-1])
    assert not page.locator(".response-b .shown-drawn").is_visible()
    assert page.locator(".response-a .shown-drawn").is_visible()
    page.get_by_label("Differences").check(force=True)
    assert page.locator(".differs").count() == 2
    assert page.locator(".response-a .differs").is_visible()
